"""What is wrong is refused clearly; trouble that passes is not blamed on the client; nothing is lost."""

import gzip
import json
import os
import pathlib

import httpx
import pytest
import wandb

from client import log_run, read_run
from server import GraphQLError, eventually


def code(response):
    """The stable code of a refusal, whichever edge it came from."""
    body = response.json()
    found = body["errors"][0]["extensions"]["code"] if "errors" in body else body["code"]
    assert found and found == found.upper()
    return found


def lines(*steps, offset=None):
    content = [json.dumps({"_step": step, "x": step}) for step in steps]
    return {"wandb-history.jsonl": {"offset": steps[0] if offset is None else offset, "content": content}}


@pytest.fixture
def path(server, project):
    """A run with two lines of history."""
    path = server.new_run(project, "careful")
    assert server.stream(path, files=lines(0, 1)).status_code == 200
    return path


def steps(server, path):
    return [row["_step"] for row in server.history(path)]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'{"files": 1}',
        b'{"files": {"wandb-history.jsonl": {"offset": 2, "content": "no list"}}}',
        b'{"files": {"wandb-history.jsonl": {"offset": "2", "content": []}}}',
        b'{"files": {"wandb-history.jsonl": {"offset": -1, "content": ["{}"]}}}',
        b'{"files": {"wandb-history.jsonl": {"offset": 2, "content": ["[1, 2]"]}}}',
        b'{"files": {"wandb-history.jsonl": {"offset": 2, "content": ["not json"]}}}',
        b'{"files": {"wandb-history.jsonl": {"offset": 2, "content": ["{\\"_step\\": 2}", "5"]}}}',
        b'{"files": {"wandb-history.jsonl": {"offset": 2, "content": ["{\xff\xfe}"]}}}',
        b'{"files": {"wandb-summary.json": {"offset": 0, "content": ["7"]}}}',
    ],
    ids=repr,
)
def test_a_stream_that_makes_no_sense_is_400_and_changes_nothing(server, path, body):
    refused = server.http.post(f"/files/{path}/file_stream", content=body)
    assert refused.status_code == 400
    assert code(refused)
    assert steps(server, path) == [0, 1]


def test_fields_of_tomorrow_are_ignored(server, path):
    assert server.stream(path, files=lines(2), dropped=0, tomorrow=True).status_code == 200
    assert steps(server, path) == [0, 1, 2]


def test_a_retried_request_changes_nothing(server, path):
    for _ in range(3):
        assert server.stream(path, files=lines(2, 3)).status_code == 200
    assert steps(server, path) == [0, 1, 2, 3]


def test_an_offset_that_goes_back_replaces(server, path):
    assert server.stream(path, files=lines(10, 11, offset=1)).status_code == 200
    assert steps(server, path) == [0, 10, 11]


def test_a_gap_in_the_history_is_refused_and_loses_nothing(server, path):
    refused = server.stream(path, files=lines(5, 6))
    assert refused.status_code == 400
    assert code(refused) == "OFFSET_GAP"
    assert server.stream(path, files=lines(2, 3, 4, 5, 6)).status_code == 200
    assert steps(server, path) == [0, 1, 2, 3, 4, 5, 6]


def test_a_gap_in_the_console_is_blank_until_it_is_filled(server, path):
    """The client sends the lines that a terminal rewrote in requests of their own, in any order."""

    def said():
        edges = server.run(path, "logLines(first: 10) { edges { node { line } } }")["logLines"]["edges"]
        return [edge["node"]["line"].rstrip() for edge in edges]

    for offset, seen in ((2, ["", "", "2"]), (0, ["0", "", "2"]), (1, ["0", "1", "2"])):
        line = {"offset": offset, "content": [f"2026-01-01T00:00:00.000000 {offset}\n"]}
        assert server.stream(path, files={"output.log": line}).status_code == 200
        assert said() == seen


def test_a_compressed_request_is_read(server, path):
    body = gzip.compress(json.dumps({"files": lines(2)}).encode())
    headers = {"Content-Encoding": "gzip"}
    assert server.http.post(f"/files/{path}/file_stream", content=body, headers=headers).status_code == 200
    assert steps(server, path) == [0, 1, 2]
    broken = server.http.post(f"/files/{path}/file_stream", content=body[:20], headers=headers)
    assert broken.status_code == 400 and code(broken)


def test_bodies_of_16_mib_are_taken_and_larger_ones_refused(server, path):
    def padded(size):
        content = [json.dumps({"_step": step, "text": "x" * (size // 8)}) for step in range(2, 10)]
        return {"wandb-history.jsonl": {"offset": 2, "content": content}}

    refused = server.stream(path, files=padded(64 << 20))
    assert refused.status_code == 413 and code(refused)
    bomb = gzip.compress(json.dumps({"files": padded(64 << 20)}).encode())
    inflated = server.http.post(
        f"/files/{path}/file_stream", content=bomb, headers={"Content-Encoding": "gzip"}
    )
    assert inflated.status_code == 413
    assert steps(server, path) == [0, 1]
    assert server.stream(path, files=padded(15 << 20)).status_code == 200


def test_a_run_that_is_not_there_is_404(server, project):
    missing = server.stream(f"admin/{project}/nobody", files=lines(0))
    assert missing.status_code == 404 and code(missing)


def test_no_key_and_a_wrong_key_are_401(server, path):
    for auth in (None, ("api", "x" * 40)):
        refused = httpx.post(f"{server.url}/files/{path}/file_stream", content="{}", auth=auth)
        assert refused.status_code == 401


RUNS = """query ($filters: JSONString, $order: String, $after: String) {
    project(entityName: "admin", name: "PROJECT") {
        runs(filters: $filters, order: $order, after: $after, first: 1) { edges { cursor node { name } } }
    }
}"""


@pytest.mark.parametrize(
    "filters",
    [
        '{"config.x": {"$near": 1}}',
        "{",
        "[]",
        '{"$and": {}}',
        '{"config.x": {"$in": 5}}',
        '{"name": {"$regex": "("}}',
    ],
)
def test_a_filter_that_makes_no_sense_is_refused(server, path, project, filters):
    with pytest.raises(GraphQLError) as refused:
        server.graphql(RUNS.replace("PROJECT", project), filters=filters)
    assert refused.value.code


def test_the_client_says_which_operator_is_unknown(server, project):
    log_run(project)
    with pytest.raises(Exception, match=r"no operator \$near"):
        list(wandb.Api().runs(f"admin/{project}", filters={"config.x": {"$near": 1}}))


def test_a_cursor_of_another_query_is_refused(server, path, project):
    query = RUNS.replace("PROJECT", project)
    (edge,) = server.graphql(query, order="-created_at")["project"]["runs"]["edges"]
    for other in ({"order": "+display_name"}, {"order": "-created_at", "filters": '{"state": "failed"}'}):
        with pytest.raises(GraphQLError) as refused:
            server.graphql(query, after=edge["cursor"], **other)
        assert refused.value.code
    with pytest.raises(GraphQLError):
        server.graphql(query, after="bm90aGluZw==")


@pytest.mark.parametrize(
    "name",
    ["", "..", "../../etc/passwd", "a/../../b", "/etc/passwd", "a\0b", "x" * 2000, "a//b", "./a", "a\\..\\b"],
    ids=lambda name: repr(name[:20]),
)
def test_a_file_name_that_leads_elsewhere_is_refused(server, path, name):
    before = set(server.data.rglob("*"))
    with pytest.raises(GraphQLError) as refused:
        server.upload_url(path, name)
    assert refused.value.code
    assert server.http.get(f"/files/{path}/%2e%2e/%2e%2e/%2e%2e/etc/passwd").status_code in (400, 404)
    assert {file for file in server.data.rglob("*") if file.parent != server.data} <= before


def test_an_upload_url_that_was_tampered_with_is_refused(server, path, project):
    url = server.upload_url(path, "f.txt")
    head, token = url.rsplit("/", 1)
    forged = f"{head}/{token[:-6]}{'A' if token[-6] != 'A' else 'B'}{token[-5:]}"
    assert httpx.put(forged, content=b"planted").status_code in (401, 403)
    assert httpx.put(f"{head}/nonsense", content=b"planted").status_code in (401, 403, 404)
    assert server.run(path, "fileCount")["fileCount"] == 0
    assert httpx.put(url, content=b"content").is_success


def test_an_upload_url_expires(own_server, project):
    server = own_server({"urls.lifetime": "1s"})
    path = server.new_run(project, "careful")
    url = server.upload_url(path, "f.txt")
    eventually(lambda: httpx.put(url, content=b"late").status_code in (401, 403))


def test_an_upload_that_breaks_off_leaves_no_file(server, path, project):
    url = server.upload_url(path, "half.bin")

    def half():
        yield b"x" * 1000
        raise ConnectionError("the network is gone")

    with pytest.raises(ConnectionError):
        httpx.put(url, content=half(), headers={"Content-Length": "2000"})
    assert server.run(path, "fileCount")["fileCount"] == 0
    assert httpx.put(url, content=b"x" * 2000).is_success
    assert server.http.get(f"/files/{path}/half.bin").content == b"x" * 2000


def test_a_database_that_is_away_is_trouble_that_passes(own_server, project):
    server = own_server({})
    path = server.new_run(project, "patient")
    assert server.stream(path, files=lines(0)).status_code == 200
    with server.database.away():
        for _ in range(3):
            refused = server.stream(path, files=lines(1))
            assert refused.status_code in (429, 500, 502, 503, 504)
        asked = server.http.post(
            "/graphql", json={"query": 'mutation { upsertModel(input: { name: "away" }) { inserted } }'}
        )
        assert asked.status_code in (429, 500, 502, 503, 504)
    eventually(lambda: server.stream(path, files=lines(1)).status_code == 200)
    assert steps(server, path) == [0, 1]


@pytest.mark.folder
def test_a_disk_that_is_full_is_trouble_that_passes(own_server, project):
    server = own_server({}, largest_file=8 << 20)
    run_id = log_run(project, [{"x": 1}])
    for name, size in (("small.bin", 1 << 20), ("large.bin", 12 << 20)):
        pathlib.Path(name).write_bytes(os.urandom(size))
    run = read_run(f"admin/{project}/{run_id}")
    url = server.upload_url(f"admin/{project}/{run_id}", "large.bin")

    refused = httpx.put(url, content=pathlib.Path("large.bin").read_bytes())
    assert refused.status_code in (500, 503, 507)
    assert "large.bin" not in [file.name for file in run.files()]
    assert run.upload_file("small.bin").size == 1 << 20
    assert server.stored_bytes() < 8 << 20
    assert server.http.get("/ready").status_code == 200
