"""Shared mode: several processes log one run together."""

import json

import pytest
import wandb

from client import Script, read_run
from server import eventually

pytestmark = pytest.mark.usefixtures("server")

WRITER = """
settings = wandb.Settings(mode="shared", x_primary=primary, x_label=label, x_update_finish_state=primary)
run = wandb.init(project=project, id="together", settings=settings, config={label: 1})
print("begun")
for number in range(count):
    run.log({"x": number, label: number})
    print(f"{label} says {number}")
print("logged")
sys.stdin.readline()
run.summary["of_" + label] = count
run.finish()
"""


def begin(project, label, primary=False, count=20):
    return Script(WRITER, project=project, label=label, primary=primary, count=count)


def end(writer):
    writer.process.stdin.write("\n")
    writer.process.stdin.flush()
    status, printed = writer.finish()
    assert status == 0, printed


def logged(server, project, label):
    """What a writer logged, line by line."""
    lines = server.run(f"admin/{project}/together", "history(samples: 100000)")["history"]
    return [row[label] for row in map(json.loads, lines) if label in row]


def scanned(path, label, **options):
    """What of it a reader finds by its steps. Newer clients count them by writer, for older ones the server does."""
    run = read_run(path)
    rows = list(run.scan_history(**options))
    assert all(0 <= row["_step"] <= run.lastHistoryStep for row in rows if "_step" in row)
    return sorted(row[label] for row in rows if label in row)


@pytest.mark.smoke
def test_two_processes_log_one_run(server, project):
    writers = [begin(project, "first", primary=True), begin(project, "second")]
    for writer in writers:
        writer.wait_for("logged")
    first, second = writers
    end(second)
    assert read_run(f"admin/{project}/together").state == "running"
    end(first)

    run = read_run(f"admin/{project}/together")
    assert run.state == "finished"
    for label in ("first", "second"):
        assert logged(server, project, label) == list(range(20))
        assert run.summary[f"of_{label}"] == 20
        assert run.config[label] == 1
    path = f"admin/{project}/together"
    assert run.lastHistoryStep in (19, 39)
    for label in ("first", "second"):
        for page_size in (7, 1000):
            assert scanned(path, label, page_size=page_size) == list(range(20))
            assert scanned(path, label, page_size=page_size, keys=[label, "x"]) == list(range(20))
        assert sorted(row[label] for row in run.history(keys=[label], pandas=False)) == list(range(20))
    steps = [row["_step"] for row in run.history(keys=["x"], pandas=False)]
    assert (len(steps), steps) == (40, sorted(steps))
    assert len(run.history(samples=100, pandas=False)) == 40
    edges = server.run(path, "logLines(first: 1000) { edges { node { line label } } }")["logLines"]["edges"]
    for label in ("first", "second"):
        said = [edge["node"]["line"] for edge in edges if edge["node"]["label"] == label]
        assert [line for line in said if "says" in line] == [f"{label} says {number}" for number in range(20)]


def test_what_a_writer_logs_after_the_primary_ended_is_kept_and_the_run_stays_finished(server, project):
    first, second = begin(project, "first", primary=True), begin(project, "second")
    for writer in (first, second):
        writer.wait_for("logged")
    # A writer of whom no line has come yet would be one that joins, and begins the run anew.
    eventually(lambda: logged(server, project, "second"))
    end(first)
    assert read_run(f"admin/{project}/together").state == "finished"
    end(second)

    run = read_run(f"admin/{project}/together")
    assert logged(server, project, "second") == list(range(20))
    assert run.state == "finished"


def test_who_joins_late_adds_to_what_is_there(server, project):
    first = begin(project, "first", primary=True)
    first.wait_for("logged")
    eventually(lambda: logged(server, project, "first"))
    second = begin(project, "second")
    second.wait_for("logged")
    end(second)
    end(first)

    assert logged(server, project, "first") == logged(server, project, "second") == list(range(20))
    assert len(wandb.Api().runs(f"admin/{project}")) == 1
