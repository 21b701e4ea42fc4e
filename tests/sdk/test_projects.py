"""Projects renamed, deleted and restored, and runs moved, while scripts go on."""

import json

import pytest
import wandb

from client import Script, log_run, read_run
from server import GraphQLError

pytestmark = pytest.mark.usefixtures("server")

RENAME = """mutation ($input: RenameProjectInput!) { renameProject(input: $input) { project { name } } }"""
DELETE = """mutation ($id: String!) { deleteModel(input: {id: $id}) { success } }"""
RESTORE = """mutation ($id: ID!) { restoreProject(input: {id: $id}) { project { name } } }"""
MOVE = """mutation ($input: MoveRunsInput!) { moveRuns(input: $input) { task { state changedCount } } }"""
MODIFY = """mutation ($input: ModifyRunsInput!) { modifyRuns(input: $input) { task { changedCount } } }"""
PROJECT_ID = """query ($name: String) { project(name: $name, entityName: "admin") { id } }"""

TRAINING = """
    run = wandb.init(project=project, id="r", config={"early": 1})
    run.log({"x": 0})
    print("running")
    sys.stdin.readline()
    for x in range(1, 20):
        run.log({"x": x})
        time.sleep(0.1)
    run.config["late"] = 2
    run.tags += ("late",)
    open("model.bin", "w").write("bytes")
    run.save("model.bin")
    run.finish()
"""


def rename(server, old, new):
    names = {"entityName": "admin", "oldProjectName": old, "newProjectName": new}
    assert server.graphql(RENAME, input=names)["renameProject"]["project"]["name"] == new


def move(server, old, new, **filters):
    places = {
        "filters": json.dumps(filters),
        "sourceEntityName": "admin",
        "sourceProjectName": old,
        "destinationEntityName": "admin",
        "destinationProjectName": new,
    }
    return server.graphql(MOVE, input=places)["moveRuns"]["task"]


def go_on(training):
    training.process.stdin.write("\n")
    training.process.stdin.flush()
    status, printed = training.finish()
    assert status == 0, printed


def check_whole(run, project):
    assert run.project == project
    assert [row["x"] for row in run.scan_history()] == list(range(20))
    assert (run.state, run.summary["x"], run.tags) == ("finished", 19, ["late"])
    assert run.config == {"early": 1, "late": 2}
    assert "model.bin" in [file.name for file in run.files()]


@pytest.mark.smoke
def test_a_script_goes_on_when_its_project_is_renamed(server, project):
    training = Script(TRAINING, project=project)
    training.wait_for("running")
    rename(server, project, f"{project}-new")
    go_on(training)
    check_whole(read_run(f"admin/{project}-new/r"), f"{project}-new")
    assert [run.id for run in wandb.Api().runs(f"admin/{project}")] == ["r"]


def test_a_script_goes_on_when_another_project_takes_the_old_name(server, project):
    training = Script(TRAINING, project=project)
    training.wait_for("running")
    rename(server, project, f"{project}-new")
    wandb.Api().create_project(project, "admin")
    go_on(training)
    check_whole(read_run(f"admin/{project}-new/r"), f"{project}-new")
    assert len(wandb.Api().runs(f"admin/{project}")) == 0


def test_a_script_goes_on_when_its_run_is_moved(server, project):
    wandb.Api().create_project(f"{project}-new", "admin")
    training = Script(TRAINING, project=project)
    training.wait_for("running")
    assert move(server, project, f"{project}-new", state="running") == {"state": "COMPLETE", "changedCount": 1}
    go_on(training)
    check_whole(read_run(f"admin/{project}-new/r"), f"{project}-new")
    assert len(wandb.Api().runs(f"admin/{project}")) == 0


@pytest.mark.parametrize("change", [rename, move])
def test_a_run_is_resumed_by_its_old_path(server, project, change):
    log_run(project, [{"x": 0}, {"x": 1}], id="again")
    if change is move:
        wandb.Api().create_project(f"{project}-new", "admin")
    change(server, project, f"{project}-new")

    run = wandb.init(project=project, id="again", resume="must")
    assert run.resumed
    run.log({"x": 2})
    run.finish()
    read = read_run(f"admin/{project}-new/again")
    assert [(row["_step"], row["x"]) for row in read.scan_history()] == [(0, 0), (1, 1), (2, 2)]


@pytest.mark.smoke
def test_a_deleted_project_is_gone_until_it_is_restored(server, project):
    log_run(project, [{"x": 0}, {"x": 1}], id="r", config={"lr": 0.1})
    project_id = wandb.Api().project(project, "admin").id
    assert server.graphql(DELETE, id=project_id)["deleteModel"]["success"]
    assert project not in [found.name for found in wandb.Api().projects("admin")]
    with pytest.raises((ValueError, wandb.errors.CommError)):
        read_run(f"admin/{project}/r")
    with pytest.raises((ValueError, wandb.errors.CommError)):
        len(wandb.Api().runs(f"admin/{project}"))

    status, printed = Script("wandb.init(project=project, id='r')", project=project).finish(within=45)
    assert status != 0
    assert "previously created and deleted" in printed
    assert server.graphql(PROJECT_ID, name=project)["project"] is None

    server.graphql(RESTORE, id=project_id)
    run = read_run(f"admin/{project}/r")
    assert [row["x"] for row in run.scan_history()] == [0, 1]
    assert (run.config, run.state) == ({"lr": 0.1}, "finished")


def test_the_name_of_a_deleted_project_is_free(server, project):
    log_run(project, [{"x": 0}], id="old")
    project_id = wandb.Api().project(project, "admin").id
    server.graphql(DELETE, id=project_id)
    log_run(project, [{"x": 1}], id="new")
    assert [run.id for run in wandb.Api().runs(f"admin/{project}")] == ["new"]
    with pytest.raises(GraphQLError, match="PROJECT_NAME_TAKEN|already"):
        server.graphql(RESTORE, id=project_id)


def test_tags_and_groups_of_many_runs(server, project):
    for name in ("a", "b", "c"):
        log_run(project, [{"x": 0}], id=name, tags=["raw"], config={"keep": name != "c"})
    edit = {
        "entityName": "admin",
        "projectName": project,
        "filters": json.dumps({"config.keep": True}),
        "addTags": ["good"],
        "removeTags": ["raw"],
        "addGroup": "best",
    }
    assert server.graphql(MODIFY, input=edit)["modifyRuns"]["task"]["changedCount"] == 2
    found = wandb.Api().runs(f"admin/{project}", filters={"tags": "good", "group": "best"})
    assert sorted(run.id for run in found) == ["a", "b"]
    assert [run.tags for run in found] == [["good"], ["good"]]
    assert [run.id for run in wandb.Api().runs(f"admin/{project}", filters={"tags": "raw"})] == ["c"]
