"""Runs that are deleted, archived and restored, and the bytes that go."""

import os
import pathlib

import httpx
import pytest
import wandb

from client import Script, log_run, read_run, script
from server import UPSERT_RUN, GraphQLError, eventually, located, number

pytestmark = pytest.mark.usefixtures("server")

SOON = {
    "gc.interval": "1s",
    "gc.grace": "1s",
    "gc.min_age": "1s",
    "gc.upload_window": "2s",
    "retention.trash": "2s",
    "worker.poll": "200ms",
}
MIB = 1 << 20

LIFECYCLE = "mutation ($id: ID!) {{ {}(input: {{ id: $id }}) {{ clientMutationId }} }}"
TRASH = """{ trash(entityName: "admin", first: 100) { edges { node { name lifecycle } } } }"""


def change(server, verb, run_id):
    server.graphql(LIFECYCLE.format(verb), id=run_id)


def storage_id(server, path):
    return server.run(path, "id")["id"]


def logged_run(server, project, name):
    """A run of one line, without a client."""
    path = server.new_run(project, name)
    line = {"wandb-history.jsonl": {"offset": 0, "content": ['{"_step": 0}']}}
    assert server.stream(path, files=line).status_code == 200
    return path


def names(runs):
    return sorted(run.id for run in runs)


@pytest.mark.smoke
def test_the_script_of_a_user(own_server, project):
    """Log, look, keep, throw away, take back; and see the storage shrink by what was thrown away."""
    server = own_server(SOON)
    for name, loss in (("keep", 0.1), ("throw", 0.9), ("shelve", 0.5)):
        pathlib.Path("model.bin").write_bytes(os.urandom(MIB))
        run = wandb.init(project=project, id=name, config={"optimizer": "adam" if name == "keep" else "sgd"})
        for step in range(20):
            run.log({"loss": loss, "step": step})
        run.save("model.bin", policy="now")
        run.finish()
    api = wandb.Api()
    path = f"admin/{project}"
    assert names(api.runs(path, filters={"state": "finished"})) == ["keep", "shelve", "throw"]
    assert names(api.runs(path, filters={"config.optimizer": "adam"})) == ["keep"]
    assert names(api.runs(path, filters={"summary_metrics.loss": {"$gte": 0.5}})) == ["shelve", "throw"]
    thrown, shelved = (number(storage_id(server, f"{path}/{name}")) for name in ("throw", "shelve"))
    before = server.stored_bytes()
    assert before >= 3 * MIB

    read_run(f"{path}/throw").delete()
    change(server, "archiveRun", storage_id(server, f"{path}/shelve"))
    assert names(wandb.Api().runs(path)) == ["keep"]
    assert names(wandb.Api().runs(path, filters={"archived": True})) == ["shelve"]
    change(server, "unarchiveRun", storage_id(server, f"{path}/shelve"))
    assert names(wandb.Api().runs(path)) == ["keep", "shelve"]

    eventually(lambda: server.count("history_chunk", f"run_id = {thrown}") == 0)
    eventually(lambda: server.count("run_file", f"run_id = {thrown}") == 0)
    eventually(lambda: server.count("blob", "id NOT IN (SELECT blob_id FROM run_file)") == 0)
    eventually(lambda: server.stored_bytes() == server.rows("SELECT sum(size_bytes) FROM blob")[0][0])
    assert 2 * MIB <= server.stored_bytes() <= before - MIB
    assert server.count("history_chunk", f"run_id = {shelved}") > 0
    for name in ("keep", "shelve"):
        run = read_run(f"{path}/{name}")
        assert len(list(run.scan_history())) == 20
        run.file("model.bin").download(root=name).close()
        assert pathlib.Path(name, "model.bin").stat().st_size == MIB


@pytest.mark.smoke
def test_a_deleted_run_is_gone_at_once(server, project):
    run_id = log_run(project, [{"x": 1}])
    path = f"admin/{project}/{run_id}"
    run = read_run(path)
    url = run.file("config.yaml").url
    run.delete()

    assert names(wandb.Api().runs(f"admin/{project}")) == []
    with pytest.raises((ValueError, wandb.errors.CommError), match="Could not find run"):
        read_run(path)
    assert server.run(path, "id") is None
    assert server.http.get(url).status_code in (404, 410)
    trashed = {
        edge["node"]["name"]: edge["node"]["lifecycle"] for edge in server.graphql(TRASH)["trash"]["edges"]
    }
    assert trashed[run_id] == "DELETED"


@pytest.mark.smoke
def test_a_deleted_id_is_not_free_again(project):
    log_run(project, [{"x": 1}], id="taken")
    read_run(f"admin/{project}/taken").delete()

    # A status that the client retries would keep it here for a minute and a half.
    training = Script("wandb.init(project=project, id='taken')", project=project)
    status, printed = training.finish(within=45)
    assert status != 0
    assert "previously created and deleted" in printed


def test_a_deleted_id_is_refused_for_good_and_says_so(server, project):
    path = server.new_run(project, "gone")
    change(server, "deleteRun", storage_id(server, path))
    refused = server.http.post("/graphql", json={"query": UPSERT_RUN, "variables": located(path)})
    assert refused.status_code == 410
    assert refused.json()["errors"][0]["extensions"]["code"] == "RUN_DELETED"
    assert server.stream(path, files={}).status_code == 410


def test_a_purged_id_is_not_free_either(own_server, project):
    server = own_server(SOON)
    path = logged_run(server, project, "purged")
    run_id = storage_id(server, path)
    change(server, "deleteRun", run_id)
    eventually(lambda: server.count("history_chunk", f"run_id = {number(run_id)}") == 0)
    eventually(lambda: server.graphql(TRASH)["trash"]["edges"] == [])

    status, printed = Script("wandb.init(project=project, id='purged')", project=project).finish(within=45)
    assert status != 0
    assert "previously created and deleted" in printed
    with pytest.raises(GraphQLError):
        change(server, "restoreRun", run_id)


def test_deleting_a_running_run_stops_its_writer(server, project):
    training = Script(
        """
        run = wandb.init(project=project, id="running")
        print("running")
        while True:
            run.log({"x": 1})
            time.sleep(0.1)
        """,
        project=project,
    )
    training.wait_for("running")
    read_run(f"admin/{project}/running").delete()
    assert server.stream(f"admin/{project}/running", files={}).status_code == 410
    training.process.terminate()
    training.finish()
    assert server.run(f"admin/{project}/running", "id") is None


def test_a_restored_run_is_the_same(server, project):
    fields = """
        name displayName notes tags config summaryMetrics state createdAt lifecycle
        historyLineCount history(samples: 1000)
        logLineCount logLines(first: 1000) { edges { node { line timestamp } } }
        fileCount files { edges { node { name md5 } } }
    """
    script(
        """
        open("model.txt", "w").write("weights")
        run = wandb.init(project=project, id="back", config={"lr": 0.1}, tags=["a"], notes="n")
        for step in range(30):
            run.log({"loss": step, "odd": float("nan")})
            print("line", step)
        run.save("model.txt", policy="now")
        run.finish()
        """,
        project=project,
    )
    path = f"admin/{project}/back"
    before = server.run(path, fields)
    run_id = storage_id(server, path)
    change(server, "deleteRun", run_id)
    assert server.run(path, "id") is None
    change(server, "restoreRun", run_id)

    assert server.run(path, fields) == before
    assert read_run(path).file("model.txt").download(root="back").read() == "weights"
    log_run(project, [{"loss": 30}], id="back", resume="must")
    assert len(server.history(path)) == 31


def test_an_archived_run_is_reached_by_name_only(server, api, project):
    log_run(project, [{"x": 1}], id="shelved")
    path = f"admin/{project}/shelved"
    change(server, "archiveRun", storage_id(server, path))
    assert names(api.runs(f"admin/{project}")) == []
    assert len(api.runs(f"admin/{project}")) == 0
    assert read_run(path).summary["x"] == 1
    assert server.run(path, "lifecycle")["lifecycle"] == "ARCHIVED"
    change(server, "restoreRun", storage_id(server, path))
    assert server.run(path, "lifecycle")["lifecycle"] == "LIVE"


def test_an_archived_run_is_deleted_when_its_time_is_over(own_server, project):
    server = own_server({**SOON, "retention.archive": "2s"})
    path = logged_run(server, project, "old")
    run_id = number(storage_id(server, path))
    change(server, "archiveRun", storage_id(server, path))
    eventually(lambda: server.run(path, "id") is None)
    eventually(lambda: server.count("history_chunk", f"run_id = {run_id}") == 0)


def test_a_rule_keeps_the_best_run_and_takes_the_others(own_server, project):
    server = own_server(SOON | {"retention.interval": "1s"})
    for name, loss in (("bad", 0.9), ("best", 0.1), ("worse", 0.8)):
        with wandb.init(project=project, id=name) as run:
            run.log({"loss": loss})
    rule = """mutation ($project: String!) { createRetentionRule(input: { entityName: "admin", projectName: $project,
        name: "keep the best", rule: { target: RUNS, action: DELETE, ageSeconds: 0,
        keep: { best: { metric: "loss", goal: MIN, count: 1 } } } }) { rule { id } } }"""
    server.graphql(rule, project=project)
    eventually(lambda: names(wandb.Api().runs(f"admin/{project}")) == ["best"])


def test_a_deadline_survives_a_restart(own_server, project):
    server = own_server(SOON | {"retention.trash": "3s"})
    path = logged_run(server, project, "due")
    run_id = number(storage_id(server, path))
    change(server, "deleteRun", storage_id(server, path))
    server.kill9()
    server.start()
    eventually(lambda: server.count("history_chunk", f"run_id = {run_id}") == 0)


def test_a_deleted_file_frees_its_bytes(own_server, project):
    server = own_server(SOON)
    pathlib.Path("model.bin").write_bytes(os.urandom(MIB))
    run_id = log_run(project)
    run = read_run(f"admin/{project}/{run_id}")
    run.upload_file("model.bin")
    before = server.stored_bytes()
    run.file("model.bin").delete()
    eventually(lambda: server.stored_bytes() <= before - MIB)
    assert run.file("config.yaml").download(root="back").read()


def test_a_dry_run_names_what_would_go_and_takes_nothing(own_server, project):
    server = own_server({**SOON, "gc.interval": "1h"})
    path = server.new_run(project, "dry")
    url = server.upload_url(path, "f.bin")
    assert httpx.put(url, content=os.urandom(MIB)).is_success
    change(server, "deleteRun", storage_id(server, path))
    eventually(lambda: server.count("run_file") == 0)
    before = server.stored_bytes()
    key = server.rows("SELECT object_key FROM blob")[0][0]
    eventually(lambda: key in server.command("gc", "--dry-run"))
    assert server.stored_bytes() == before >= MIB
    eventually(lambda: server.command("gc") and server.stored_bytes() == 0)
