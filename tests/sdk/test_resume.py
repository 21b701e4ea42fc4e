"""One run, logged by several processes after each other."""

import pytest
import wandb

from client import Script, log_run, read_run

pytestmark = pytest.mark.usefixtures("server")


@pytest.mark.smoke
@pytest.mark.parametrize("mode", ["must", "allow"])
def test_a_resumed_run_goes_on_where_it_was(project, mode):
    log_run(
        project,
        [{"x": 0}, {"x": 1}],
        id="again",
        config={"lr": 0.1, "kept": 1},
        tags=["first"],
        notes="kept too",
    )

    run = wandb.init(project=project, id="again", resume=mode, config={"lr": 0.2})
    assert run.resumed
    assert run.starting_step == 2
    assert run.summary["x"] == 1
    assert run.config["kept"] == 1
    run.log({"x": 2})
    run.summary["y"] = 5
    run.finish()

    read = read_run(f"admin/{project}/again")
    assert [(row["_step"], row["x"]) for row in read.scan_history()] == [(0, 0), (1, 1), (2, 2)]
    assert read.config == {"lr": 0.2, "kept": 1}
    assert (read.tags, read.notes) == (["first"], "kept too")
    assert (read.summary["x"], read.summary["y"]) == (2, 5)
    assert read.state == "finished"


@pytest.mark.smoke
def test_must_refuses_a_run_that_is_not_there(project):
    with pytest.raises(wandb.errors.UsageError, match="does not exist|resume"):
        wandb.init(project=project, id="missing", resume="must")


@pytest.mark.smoke
def test_never_refuses_a_run_that_is_there(project):
    log_run(project, [{"x": 0}], id="there")
    with pytest.raises(wandb.errors.UsageError, match="already exists|resume"):
        wandb.init(project=project, id="there", resume="never")


@pytest.mark.parametrize("mode", ["allow", "never"])
def test_a_run_that_is_not_there_begins(project, mode):
    log_run(project, [{"x": 0}], id="new", resume=mode)
    assert read_run(f"admin/{project}/new").state == "finished"


def test_an_id_used_again_without_resume_keeps_what_was_logged(api, project):
    log_run(project, [{"x": 0}, {"x": 1}], id="reused")
    log_run(project, [{"x": 10}], id="reused")

    values = [row["x"] for row in read_run(f"admin/{project}/reused").history(pandas=False)]
    assert sorted(values) == [0, 1, 10]
    assert len(api.runs(f"admin/{project}")) == 1


def test_a_failed_run_that_resumes_is_finished_in_the_end(server, project):
    log_run(project, [{"x": 0}], id="flaky", exit_code=7)
    assert read_run(f"admin/{project}/flaky").state == "failed"

    run = wandb.init(project=project, id="flaky", resume="must")
    assert server.run(f"admin/{project}/flaky", "state")["state"] == "running"
    run.log({"x": 1})
    run.finish()
    assert read_run(f"admin/{project}/flaky").state == "finished"


def test_console_lines_go_on_too(server, project):
    code = """
    run = wandb.init(project=project, id="speaks", resume="allow")
    print(word)
    run.finish()
    """
    for word in ("hello", "again"):
        status, printed = Script(code, project=project, word=word).finish()
        assert status == 0, printed
    edges = server.run(f"admin/{project}/speaks", "logLines(first: 100) { edges { node { line } } }")[
        "logLines"
    ]["edges"]
    lines = [edge["node"]["line"].rstrip() for edge in edges]
    assert [line for line in lines if line in ("hello", "again")] == ["hello", "again"]


def test_a_resumed_run_survives_a_restart_of_the_server(own_server, project):
    server = own_server({})
    log_run(project, [{"x": 0}], id="patient")
    server.restart()
    log_run(project, [{"x": 1}], id="patient", resume="must")
    assert [row["x"] for row in read_run(f"admin/{project}/patient").scan_history()] == [0, 1]
