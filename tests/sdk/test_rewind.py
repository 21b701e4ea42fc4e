"""Going back to a step of a run, and beginning another run there."""

import pytest
import wandb

from client import environment, log_run, read_run, script
from server import Server, eventually

pytestmark = pytest.mark.usefixtures("server")


@pytest.fixture(scope="module")
def server_at_rest(tmp_path_factory, database, store):
    """A server that makes files of a run's history as soon as the run has ended."""
    settings = {"COUNTERWEIGHT_HISTORY__SETTLE_AFTER": "0s"}
    server = Server(tmp_path_factory.mktemp("server"), database, store, settings)
    yield server
    server.discard()


@pytest.fixture(params=["live", "at rest"])
def server(request, use_client):
    """One that has not made files of the runs yet, and one that has."""
    server = request.getfixturevalue("shared_server" if request.param == "live" else "server_at_rest")
    use_client(server)
    server.at_rest = request.param == "at rest"
    return server


def files(server, path):
    return server.run(path, 'parquetHistory(liveKeys: ["_step"]) { parquetUrls }')["parquetHistory"][
        "parquetUrls"
    ]


@pytest.fixture
def parent(server, project):
    """A run of ten steps that has ended: `rare` at every third."""
    rows = [{"x": step} | ({"rare": step} if step % 3 == 0 else {}) for step in range(10)]
    log_run(project, rows, id="parent", config={"lr": 0.1}, tags=["first"])
    path = f"admin/{project}/parent"
    if server.at_rest:
        eventually(lambda: files(server, path))
        assert len(list(read_run(path).scan_history())) == 10  # the client keeps the file
    return path


def steps(path):
    return [(row["_step"], row["x"]) for row in read_run(path).scan_history()]


@pytest.mark.smoke
def test_a_run_goes_back_and_on_from_there(parent, project):
    run = wandb.init(project=project, resume_from="parent?_step=4")
    assert run.id == "parent"
    assert run.starting_step == 5
    assert run.config["lr"] == 0.1
    read = read_run(parent)
    assert steps(parent) == [(step, step) for step in range(5)]
    assert (read.summary["x"], read.summary["rare"], read.summary["_step"]) == (4, 3, 4)
    assert read.lastHistoryStep == 4
    run.log({"x": 50})
    run.log({"x": 60})
    run.finish()

    read = read_run(parent)
    assert steps(parent) == [*((step, step) for step in range(5)), (5, 50), (6, 60)]
    assert read.state == "finished"
    assert (read.summary["x"], read.summary["rare"], read.summary["_step"]) == (60, 3, 6)
    assert (read.config, read.tags) == ({"lr": 0.1}, ["first"])
    assert [row["rare"] for row in read.history(keys=["rare"], pandas=False)] == [0, 3]


def test_a_run_goes_back_again_and_again(server, parent, project):
    """The client keeps the files it has read, so a run that went back has none to read."""
    for step in (7, 7, 0):
        log_run(project, [{"x": 100}, {"x": 101}], resume_from=f"parent?_step={step}")
        assert steps(parent) == [*((at, at) for at in range(step + 1)), (step + 1, 100), (step + 2, 101)]
    assert files(server, parent) == []


def test_a_run_that_went_back_resumes(parent, project):
    log_run(project, [{"x": 100}], resume_from="parent?_step=2")
    run = wandb.init(project=project, id="parent", resume="must")
    assert run.resumed
    assert run.starting_step == 4
    assert (run.summary["x"], run.summary["rare"]) == (100, 0)
    run.log({"x": 200})
    del run.summary["rare"]
    run.finish()
    assert read_run(parent).summary["x"] == 200
    assert "rare" not in read_run(parent).summary
    assert steps(parent) == [(0, 0), (1, 1), (2, 2), (3, 100), (4, 200)]


@pytest.mark.smoke
def test_a_fork_begins_where_its_parent_was(server, parent, project):
    run = wandb.init(project=project, id="fork", fork_from="parent?_step=4", config={"lr": 0.2})
    assert (run.id, run.starting_step) == ("fork", 5)
    begun = read_run(f"admin/{project}/fork")
    assert (begun.summary["x"], begun.summary["rare"], begun.summary["_step"]) == (4, 3, 4)
    run.log({"x": 50})
    run.log({"x": 60, "new": 1})
    run.finish()

    fork = f"admin/{project}/fork"
    read = read_run(fork)
    wanted = [*((step, step) for step in range(5)), (5, 50), (6, 60)]
    assert steps(fork) == wanted
    assert (read.summary["x"], read.summary["rare"], read.summary["new"]) == (60, 3, 1)
    assert (read.state, read.config["lr"], read.lastHistoryStep) == ("finished", 0.2, 6)
    assert steps(parent) == [(step, step) for step in range(10)]
    if server.at_rest:
        eventually(lambda: files(server, fork))
        assert steps(fork) == wanted


def test_a_fork_of_a_fork(parent, project):
    log_run(project, [{"x": 50}, {"x": 60}], id="fork", fork_from="parent?_step=4")
    log_run(project, [{"x": 70}], id="second", fork_from="fork?_step=5")
    assert steps(f"admin/{project}/second") == [*((step, step) for step in range(5)), (5, 50), (6, 70)]


def test_a_fork_outlives_its_parent(server, parent, project):
    log_run(project, [{"x": 50}], id="fork", fork_from="parent?_step=1")
    read_run(parent).delete()
    assert steps(f"admin/{project}/fork") == [(0, 0), (1, 1), (2, 50)]


@pytest.mark.parametrize("option", ["resume_from", "fork_from"])
def test_what_is_not_there_is_refused(project, option):
    with pytest.raises(wandb.errors.Error, match="nobody|not found"):
        wandb.init(project=project, **{option: "nobody?_step=4"})


@pytest.mark.smoke
@pytest.mark.parametrize("option", ["resume_from", "fork_from"])
def test_the_client_prints_no_error(server, parent, project, tmp_path, option):
    printed = script(
        f"""
        run = wandb.init(project=project, {option}="parent?_step=4")
        run.log({{"x": 1}})
        run.finish()
        """,
        environment(server, tmp_path) | {"WANDB_SILENT": "false"},
        project=project,
    )
    assert "run" in printed
    assert "ERROR" not in printed
    assert "WARNING" not in printed
