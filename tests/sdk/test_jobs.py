"""The scripts of a scheduler that knows only HTTP, against runs of the real client."""

import json
import uuid

import pytest
from openapi_spec_validator import validate

from client import Script, log_run, script
from server import eventually

RUNS = "/api/v1/runs"


@pytest.fixture
def http(server):
    return server.http


def detail(answer):
    return answer.status_code, answer.json()["detail"]


def job_of(http, path):
    """A run as a job, by its path."""
    answer = http.get(f"{RUNS}/{path.replace('/', '%2F')}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def ended(http, job_id):
    """The job once nothing more is to come of it."""

    def look():
        job = http.get(f"{RUNS}/{job_id}").json()
        return job["retry_after"] is None and job

    return eventually(look)


def test_the_document_is_valid_openapi(http):
    validate(http.get("/api/v1/openapi.json").json())


@pytest.mark.smoke
def test_all_that_succeeded_is_listed_and_deleted(http, project):
    for code in [0, 1, 0, 0]:
        log_run(project, [{"x": 1}], exit_code=code)
    succeeded = {"project": project, "status": "succeeded", "page_size": 2}
    assert http.get(RUNS, params=succeeded).json()["total"] == 3
    while jobs := http.get(RUNS, params=succeeded).json()["jobs"]:
        for job in jobs:
            assert http.delete(f"{RUNS}/{job['job_id']}").status_code == 204
    left = http.get(RUNS, params={"project": project}).json()
    assert [job["status"] for job in left["jobs"]] == ["failed"]


@pytest.mark.smoke
def test_a_running_job_is_cancelled_awaited_and_deleted(http, project):
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
    job_id = job_of(http, f"admin/{project}/running")["job_id"]
    address = f"{RUNS}/{job_id}"
    assert detail(http.delete(address)) == (400, "Cannot delete running job. Cancel it first.")
    assert http.post(f"{address}/cancel").json()["stop_requested"]
    assert ended(http, job_id)["status"] == "cancelled"
    assert training.finish()[0] != 0, "the writer was told to stop"
    assert detail(http.post(f"{address}/cancel")) == (409, "Job is already complete. Status: cancelled")
    deleted = http.delete(address)
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert detail(http.delete(address)) == (404, f"Job not found: {job_id}")


@pytest.mark.smoke
def test_a_queued_job_is_taken_up_by_its_writer(server, http, project):
    wish = {"project": project, "display_name": "queued", "config": {"lr": 0.1}, "tags": ["night"]}
    key = {"Idempotency-Key": uuid.uuid4().hex}
    queued = http.post(RUNS, json=wish, headers=key)
    job = queued.json()
    assert (queued.status_code, job["status"]) == (202, "queued")
    assert http.post(RUNS, json=wish, headers=key).json()["job_id"] == job["job_id"]
    assert http.get(queued.headers["Location"]).json() == job

    printed = script(
        """
        run = wandb.init(project=project, id=run_id, resume="must")
        print("lr", run.config["lr"], run.name, run.tags)
        run.log({"loss": 0.5})
        run.finish()
        """,
        project=project,
        run_id=job["run"].rsplit("/", 1)[1],
    )
    assert "lr 0.1 queued ('night',)" in printed
    assert job_of(http, job["run"])["status"] == "succeeded"
    assert server.run(job["run"], "displayName tags") == {"displayName": "queued", "tags": ["night"]}


def test_a_job_is_followed_to_its_result(server, http, project):
    path = server.new_run(project, "followed")
    heard = []
    with http.stream("GET", job_of(http, path)["stream_url"]) as events:
        for line in events.iter_lines():
            field, _, value = line.partition(": ")
            if field == "event":
                heard.append(value)
                if value == "status" and len(heard) == 1:
                    rows = {"wandb-history.jsonl": {"offset": 0, "content": ['{"_step": 0, "x": 1}']}}
                    rows["wandb-summary.json"] = {"offset": 0, "content": ['{"x": 1}']}
                    server.stream(path, files=rows)
                    server.stream(path, complete=True, exitcode=0)
            elif field == "data":
                last = json.loads(value)
    assert (heard[0], heard[-1]) == ("status", "result")
    assert (last["status"], last["result"]) == ("succeeded", {"x": 1})
