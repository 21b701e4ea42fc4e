"""Sweeps, as users of the released client run them."""

import os
import pathlib
import subprocess
import sys

import pytest
import wandb
import yaml
from wandb.agents import pyagent

from client import HURRY_AGENTS, REFUSED, Script

GRID = {
    "method": "grid",
    "name": "a pretty name",
    "metric": {"name": "loss", "goal": "minimize"},
    "parameters": {
        "x": {"values": [1, 2]},
        "nested": {"parameters": {"y": {"value": 5}}},
    },
}


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    monkeypatch.setattr(pyagent, "time", pyagent.time)  # as it is again afterwards
    exec(HURRY_AGENTS, {})


def train():
    with wandb.init() as run:
        run.log({"loss": run.config.x})


TRAIN = """
import wandb
with wandb.init() as run:
    run.log({"loss": run.config.x})
"""


def cli(*arguments):
    command = [sys.executable, "-m", "wandb", *arguments]
    environment = {**os.environ, "WANDB_SILENT": "false"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout + done.stderr


def sweep_of(project, name):
    return wandb.Api().sweep(f"admin/{project}/{name}")


def test_a_grid_is_run_to_its_end_in_this_process(server, project):
    name = wandb.sweep(GRID, project=project)
    assert len(name) == 8
    wandb.agent(name, function=train, project=project, count=2)
    sweep = sweep_of(project, name)
    assert sweep.config["parameters"] == GRID["parameters"]
    assert (sweep.state, sweep.name, sweep.expected_run_count) == ("RUNNING", "a pretty name", 2)
    assert sorted(run.config["x"] for run in sweep.runs) == [1, 2]
    assert {run.config["nested"]["y"] for run in sweep.runs} == {5}
    assert {run.state for run in sweep.runs} == {"finished"}
    assert sweep.best_run().summary["loss"] == 1
    assert wandb.Api().run(f"admin/{project}/{sweep.best_run().id}").sweep.id == name


AGENT = HURRY_AGENTS + """
def train():
    with wandb.init() as run:
        run.log({"loss": run.config.x})
wandb.agent(sweep, function=train, project=project)
"""


def test_two_agents_share_a_grid(server, project):
    config = {**GRID, "parameters": {"x": {"min": 1, "max": 4}}}
    name = wandb.sweep(config, project=project)
    agents = [Script(AGENT, sweep=name, project=project) for _ in range(2)]
    for agent in agents:
        status, printed = agent.finish()
        assert status == 0, printed
    sweep = sweep_of(project, name)
    assert sweep.state == "FINISHED"
    assert sorted(run.config["x"] for run in sweep.runs) == [1, 2, 3, 4]


@pytest.mark.parametrize("method", ["random", "bayes"])
def test_parameters_are_drawn_from_their_distributions(server, project, method):
    config = {
        "method": method,
        "run_cap": 4 if method == "bayes" else 2,
        "metric": {"name": "loss", "goal": "minimize"},
        "parameters": {
            "x": {"distribution": "log_uniform_values", "min": 1e-5, "max": 1e-1},
            "n": {"min": 1, "max": 9},
        },
    }
    name = wandb.sweep(config, project=project)
    wandb.agent(name, function=train, project=project, count=config["run_cap"])
    runs = list(sweep_of(project, name).runs)
    assert len(runs) == config["run_cap"] == len({run.config["x"] for run in runs})
    assert all(1e-5 <= run.config["x"] <= 1e-1 and run.config["n"] in range(1, 10) for run in runs)


def test_the_command_line_pauses_resumes_stops_and_cancels(server, project):
    pathlib.Path("train.py").write_text(TRAIN)
    pathlib.Path("sweep.yaml").write_text(yaml.dump({**GRID, "program": "train.py"}))
    status, printed = cli("sweep", "--project", project, "sweep.yaml")
    assert status == 0, printed
    name = printed.split("with ID:")[1].split()[0]
    path = f"admin/{project}/{name}"
    for option, state in [
        ("--resume", "RUNNING"),
        ("--pause", "PAUSED"),
        ("--resume", "RUNNING"),
        ("--stop", "FINISHED"),
        ("--resume", "RUNNING"),
        ("--cancel", "CANCELED"),
    ]:
        status, printed = cli("sweep", option, path)
        assert status == 0, printed
        assert sweep_of(project, name).state == state
    status, printed = cli("sweep", "--pause", path)
    assert status != 0 and "Cannot pause canceled sweep" in printed


def test_an_agent_of_the_command_line_starts_the_program(server, project):
    pathlib.Path("train.py").write_text(TRAIN)
    config = {**GRID, "program": "train.py", "command": [sys.executable, "${program}"]}
    config["parameters"] = {"x": {"values": [3]}}
    name = wandb.sweep(config, project=project)
    status, printed = cli("agent", "--count", "1", f"admin/{project}/{name}")
    assert status == 0, printed
    (run,) = sweep_of(project, name).runs
    assert (run.state, run.config["x"], run.summary["loss"]) == ("finished", 3, 3)


def test_runs_of_before_are_taken_in(server, project):
    with wandb.init(project=project, config={"x": 9}) as run:
        run.log({"loss": 0.5})
    name = wandb.sweep(GRID, project=project, prior_runs=[run.id])
    sweep = sweep_of(project, name)
    assert [found.id for found in sweep.runs] == [run.id]
    assert sweep.best_run().id == run.id


def test_what_is_wrong_with_a_config_is_told(server, project):
    config = {**GRID, "parameters": {"x": {"distribution": "uniform", "min": 0.0, "max": 1.0}}}
    with pytest.raises(REFUSED, match="parameters.x"):
        wandb.sweep(config, project=project)


def test_sweeps_of_a_project_are_listed(server, project):
    names = {wandb.sweep(GRID, project=project) for _ in range(2)}
    sweeps = wandb.Api().project(project, "admin").sweeps()
    assert {sweep.id for sweep in sweeps} == names
