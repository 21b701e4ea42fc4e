"""Who is who, and that what is one's own stays so."""

import subprocess
import uuid

import pytest
import wandb

from client import log_run, read_run
from server import UPSERT_RUN, GraphQLError, located, node_id, number

HIDDEN = (wandb.errors.Error, ValueError)


@pytest.fixture
def stranger(server):
    """The key of a user who has nothing to do with the others."""
    return server.create_user(f"user-{uuid.uuid4().hex[:8]}")


@pytest.fixture
def run_of_admin(server, project):
    """A run of the administrator: its path and its id."""
    log_run(project, [{"x": 1}], id="private")
    path = f"admin/{project}/private"
    return path, server.run(path, "id")["id"]


@pytest.mark.smoke
def test_the_client_knows_who_it_is(server, api, use_client, stranger):
    assert api.viewer.username == api.default_entity == "admin"
    use_client(server, stranger)
    viewer = wandb.Api().viewer
    assert viewer.username.startswith("user-")
    assert viewer.teams == [viewer.username]
    assert [key for key in viewer.api_keys if stranger.startswith(key)]


@pytest.mark.smoke
def test_a_wrong_key_is_refused(server, use_client, project):
    use_client(server, "wrong-" + "x" * 40)
    with pytest.raises(wandb.errors.Error):
        wandb.init(project=project)


def test_a_user_logs_to_their_own_entity(server, use_client, stranger, project):
    use_client(server, stranger)
    run_id = log_run(project, [{"x": 1}])
    api = wandb.Api()
    assert read_run(f"{api.default_entity}/{project}/{run_id}").state == "finished"


def test_two_users_may_use_one_name(server, use_client, stranger, project):
    log_run(project, [{"x": 1}], id="same")
    use_client(server, stranger)
    log_run(project, [{"x": 2}], id="same")
    own = wandb.Api()
    assert read_run(f"{own.default_entity}/{project}/same").summary["x"] == 2
    use_client(server)
    assert read_run(f"admin/{project}/same").summary["x"] == 1


@pytest.mark.smoke
def test_a_stranger_sees_nothing(server, use_client, stranger, project, run_of_admin):
    path, run_id = run_of_admin
    use_client(server, stranger)
    api = wandb.Api()
    with pytest.raises(HIDDEN):
        list(api.runs(f"admin/{project}"))
    with pytest.raises(HIDDEN):
        read_run(path)
    assert server.run(path, "config", key=stranger) is None
    assert server.http.get(f"/files/{path}/config.yaml", auth=("api", stranger)).status_code == 404


def test_a_stranger_changes_nothing(server, use_client, stranger, project, run_of_admin):
    path, run_id = run_of_admin
    before = server.run(path, "displayName state historyLineCount fileCount lifecycle")
    on_the_run = f'input: {{ id: "{run_id}" }}'
    in_the_project = f'entityName: "admin", projectName: "{project}"'
    mutations = [
        f"deleteRun({on_the_run}) {{ clientMutationId }}",
        f"archiveRun({on_the_run}) {{ clientMutationId }}",
        f"stopRun({on_the_run}) {{ success }}",
        f'upsertBucket(input: {{ id: "{run_id}", displayName: "mine" }}) {{ inserted }}',
        f'createRunFiles(input: {{ {in_the_project}, runName: "private", files: ["f"] }}) {{ runID }}',
        f'upsertModel(input: {{ entityName: "admin", name: "{project}-planted" }}) {{ inserted }}',
    ]
    for mutation in mutations:
        with pytest.raises(GraphQLError) as refused:
            server.graphql(f"mutation {{ {mutation} }}", key=stranger)
        assert refused.value.code
    for name in ("private", "planted"):
        with pytest.raises(GraphQLError):
            server.graphql(UPSERT_RUN, key=stranger, **located(f"admin/{project}/{name}"))
    written = server.http.post(
        f"/files/{path}/file_stream", json={"complete": True, "exitcode": 9}, auth=("api", stranger)
    )
    assert written.status_code in (403, 404)
    use_client(server, stranger)
    with pytest.raises(HIDDEN):
        wandb.init(entity="admin", project=project, id="private")

    assert server.run(path, "displayName state historyLineCount fileCount lifecycle") == before
    assert server.run(f"admin/{project}/planted", "id") is None


def test_a_guess_at_an_id_answers_like_a_miss(server, stranger, run_of_admin):
    _, run_id = run_of_admin
    answers = []
    for guess in (run_id, node_id("Run", number(run_id) + 1_000_000)):
        with pytest.raises(GraphQLError) as refused:
            server.graphql(
                "mutation ($id: ID!) { deleteRun(input: { id: $id }) { clientMutationId } }",
                key=stranger,
                id=guess,
            )
        answers.append((refused.value.code, str(refused.value).replace(guess, "")))
    assert answers[0] == answers[1]


def test_a_key_shorter_than_the_client_takes_is_refused(server):
    with pytest.raises(subprocess.CalledProcessError):
        server.command("user", "create", "short", "--api-key", "x" * 39)
