"""A run logged without a server, and sent to one later."""

import os
import pathlib
import subprocess
import sys

import pytest

from client import read_run, script

pytestmark = pytest.mark.usefixtures("server")


def sync(*arguments):
    command = [sys.executable, "-m", "wandb", "sync", *map(str, arguments)]
    environment = {**os.environ, "WANDB_CONSOLE": "wrap"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def offline_run(monkeypatch, project):
    """The folder of a run that was logged offline."""
    monkeypatch.setenv("WANDB_MODE", "offline")
    script(
        """
        open("model.txt", "w").write("weights")
        run = wandb.init(project=project, id="offline", name="far away", config={"lr": 0.1}, tags=["field"])
        for step in range(50):
            run.log({"loss": step})
            print(f"line {step}")
        run.save("model.txt")
        run.finish()
        """,
        project=project,
    )
    monkeypatch.delenv("WANDB_MODE")
    (folder,) = pathlib.Path("wandb").glob("offline-run-*")
    return folder


@pytest.mark.smoke
def test_an_offline_run_is_synced_whole(server, project, offline_run):
    done = sync(offline_run)
    assert done.returncode == 0, done.stdout + done.stderr

    run = read_run(f"admin/{project}/offline")
    assert (run.state, run.name, run.config["lr"], run.tags) == ("finished", "far away", 0.1, ["field"])
    assert [(row["_step"], row["loss"]) for row in run.scan_history()] == [(step, step) for step in range(50)]
    assert run.summary["loss"] == 49
    assert run.file("model.txt").download(root="back").read() == "weights"
    edges = server.run(f"admin/{project}/offline", "logLines(first: 1000) { edges { node { line } } }")[
        "logLines"
    ]["edges"]
    lines = [edge["node"]["line"].rstrip() for edge in edges]
    assert [line for line in lines if line.startswith("line")] == [f"line {step}" for step in range(50)]


def test_an_offline_run_is_synced_under_another_name(project, offline_run):
    done = sync("--id", "renamed", "--project", f"{project}-b", offline_run)
    assert done.returncode == 0, done.stdout + done.stderr
    assert read_run(f"admin/{project}-b/renamed").summary["loss"] == 49
