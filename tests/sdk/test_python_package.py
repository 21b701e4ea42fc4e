"""The package in clients/python: wandb.Api, with what the server can do beyond it."""

import datetime
import pathlib

import pytest
import wandb

import counterweight
from client import REFUSED, log_run

NOW = datetime.datetime.now(datetime.timezone.utc)


@pytest.fixture
def ours(server):
    return counterweight.Api()


def ids(runs):
    return sorted(run.id for run in runs)


@pytest.mark.smoke
def test_a_run_is_archived_and_listed_again(ours, project):
    log_run(project, [{"x": 1}], id="a")
    run = ours.project(project).runs()[0]
    run.archive()
    assert ids(counterweight.Api().project(project).runs()) == []
    assert ids(ours.project(project).runs(filters={"archived": True})) == ["a"]
    run.unarchive()
    assert ids(counterweight.Api().project(project).runs(filters={"summary_metrics.x": 1})) == ["a"]


@pytest.mark.smoke
def test_a_deletion_says_why_and_until_when_and_is_undone(ours, project):
    pathlib.Path("model.bin").write_bytes(b"x" * 1000)
    log_run(project, [{"x": 1}], id="r")
    run = ours.run(f"{project}/r")
    run.upload_file("model.bin")
    deletion = run.delete(reason="a mistake")
    assert (deletion.state, deletion.reason) == ("PENDING", "a mistake")
    assert deletion.deadline > NOW + datetime.timedelta(days=6)
    assert deletion.files >= 1 and deletion.bytes >= 1000
    trashed = [run for run in ours.trash("admin") if run.project == project]
    assert [(run.path, run.deadline) for run in trashed] == [(["admin", project, "r"], deletion.deadline)]
    with pytest.raises(REFUSED):
        counterweight.Api().run(f"{project}/r")
    deletion.restore()
    assert counterweight.Api().run(f"{project}/r").summary["x"] == 1

    run.delete()
    run.restore()
    assert ids(counterweight.Api().runs(f"admin/{project}")) == ["r"]


def test_a_project_is_deleted_and_restored(server, ours, project):
    for name in ["a", "b"]:
        server.new_run(project, name)
    deletion = ours.project(project).delete(reason="over")
    assert (deletion.project, deletion.runs, deletion.reason) == (project, 2, "over")
    assert deletion.id in [other.id for other in ours.project_trash()]
    assert deletion.restore() == project
    assert ids(counterweight.Api().runs(f"admin/{project}")) == ["a", "b"]


@pytest.mark.smoke
def test_many_runs_are_deleted_as_planned(server, ours, project):
    for name in ["a", "b", "keep"]:
        server.new_run(project, name)
    doomed = ours.project(project).runs(filters={"name": {"$ne": "keep"}})
    plan = doomed.plan_delete()
    assert (plan.runs, plan.obstacles) == (2, [])
    server.new_run(project, "c")
    with pytest.raises(REFUSED):
        doomed.delete(plan=plan)
    seen = []
    deletion, task = doomed.delete(plan=doomed.plan_delete(), reason="old", progress=seen.append)
    assert (task.state, task.matched, task.changed, task.refused) == ("COMPLETE", 3, 3, 0)
    assert seen[-1] == task and deletion.reason == "old"
    assert ids(counterweight.Api().project(project).runs()) == ["keep"]
    assert ours.restore_runs(project, filters={"name": "a"}).changed == 1
    deletion.restore()
    left = counterweight.Api().project(project).runs()
    assert ids(left) == ["a", "b", "c", "keep"]
    assert left.archive().changed == 4


def test_what_a_project_takes_is_told(ours, project):
    pathlib.Path("model.bin").write_bytes(b"x" * 1000)
    log_run(project, [{"x": 1}], id="r")
    run = ours.run(f"{project}/r")
    run.upload_file("model.bin")
    before = ours.storage(project=project)
    assert before.live >= 1000 and before.trash == 0
    assert run.plan_delete().runs == 1
    run.delete(plan=run.plan_delete())
    after = ours.storage(project=project)
    assert (after.live, after.trash, after.total) == (0, before.live, before.total)
    with pytest.raises(ValueError, match="Could not find"):
        ours.storage(project="nothing-here")


def test_what_is_refused_is_an_error_of_the_client(server, ours, project):
    server.new_run(project, "r")
    run = ours.run(f"{project}/r")
    run.delete()
    with pytest.raises(wandb.errors.CommError, match="not found"):
        run.archive()
    with pytest.raises(ValueError, match="Could not find project"):
        ours.project("nothing-here").delete()


def test_everything_else_is_the_clients(ours, project):
    log_run(project, [{"x": 1}, {"x": 2}], id="r", tags=["a"])
    run = ours.run(f"{project}/r")
    assert isinstance(run, wandb.apis.public.Run) and run.tags == ["a"]
    assert [row["x"] for row in run.scan_history(keys=["x"])] == [1, 2]
    assert project in [other.name for other in ours.projects("admin")]
