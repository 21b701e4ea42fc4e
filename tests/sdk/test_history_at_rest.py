"""History once a run has ended: files that the client downloads, or reads itself, and that anything else reads."""

import json
import math
import random

import numpy as np
import pytest
import wandb

from client import log_run, read_run, since
from server import Server, eventually, number

pytestmark = pytest.mark.usefixtures("server")

downloads = since(0, 31, "does not download history")


@pytest.fixture(scope="module")
def server_at_rest(tmp_path_factory, database, store):
    """A server that makes files of a run's history as soon as the run has ended."""
    settings = {"COUNTERWEIGHT_HISTORY__SETTLE_AFTER": "0s"}
    server = Server(tmp_path_factory.mktemp("server"), database, store, settings)
    yield server
    server.discard()


@pytest.fixture
def server(server_at_rest, use_client):
    use_client(server_at_rest)
    return server_at_rest


def files(server, path):
    """Where the server says that the history can be downloaded."""
    return server.run(path, 'parquetHistory(liveKeys: ["_step"]) { parquetUrls }')["parquetHistory"][
        "parquetUrls"
    ]


def settle(server, path, handed_out=True):
    """Waits until all of a run's history is in files, and whether these are handed out."""
    run = number(server.run(path, "id")["id"])

    def settled():
        live = server.count("history_chunk", f"run_id = {run} AND stream = 1")
        return live + server.count("history_segment", f"run_id = {run} AND NOT sealed") == 0

    eventually(settled)
    assert bool(files(server, path)) == handed_out


def present(value):
    """Without the members that a file has for every row, and this one has not."""
    if isinstance(value, dict):
        return {key: present(inner) for key, inner in value.items() if inner is not None}
    return value


def texts(rows):
    """Rows as text, in which NaN is itself and a large number has all its digits."""
    return [json.dumps(present(row), sort_keys=True) for row in rows]


def scan(path, **options):
    return texts(read_run(path).scan_history(**options))


def log(run, rows, server, count=None):
    """Logs rows and waits until the server has them all."""
    for row in rows:
        run.log(row)
    path = f"admin/{run.project}/{run.id}"
    wanted = len(rows) if count is None else count
    eventually(lambda: server.run(path, "historyLineCount")["historyLineCount"] == wanted)
    return path


def plain(step):
    return {"int": step, "float": step / 8, "text": f"at {step}", "flag": step % 2 == 0}


KINDS = {
    "plain": [plain(step) for step in range(30)],
    "not finite": [{"x": value} for value in (math.nan, math.inf, -math.inf, 1.5)],
    "wide": [{"x": value} for value in (1, 2**53 + 1, 2**62, -(2**62), 2**63 - 1)],
    "precise": [{"x": value} for value in (0.1, 1 / 3, 1e300, 5e-324, -0.0, 123456789012.0)],
    "whole and not": [{"x": 1}, {"x": 1.5}, {"x": 2.0}],
    "names": [{"train/loss": 1, "val.loss": 2, "a b": 3, "größe": 4, "A": 5, "a": 6, 'say "x"': 7}] * 3,
    "sparse": [{"x": step} | ({"rare": step} if step % 10 == 0 else {}) for step in range(60)],
    "lists": [{"ints": [1, 2], "floats": [0.5, 1.5], "words": ["a", ""], "none": []}] * 3,
    "null": [{"x": None, "y": 1}, {"x": 1, "y": 2}],
    "empty text": [{"x": ""}, {"x": "ü\n\t\u2028"}, {"x": "a" * 10_000}],
}
# Their parts are asked for by dotted names, or no column holds all values: no file gives such rows back.
ONLY_ROWS = {
    "nested": [{"outer": {"inner": step, "deep": {"x": step}}} for step in range(3)],
    "of two kinds": [{"x": 1}, {"x": "one"}],
    "lists of lists": [{"x": [[1, 2], [3]]}],
}


@pytest.mark.parametrize("kind", [*KINDS, *ONLY_ROWS])
def test_rows_are_the_same_live_and_at_rest(server, project, kind):
    rows = KINDS.get(kind) or ONLY_ROWS[kind]
    run = wandb.init(project=project)
    path = log(run, rows, server)
    live = read_run(path)
    before = scan(path), scan(path, page_size=2), live.history(samples=1000, pandas=False)
    run.finish()
    settle(server, path, handed_out=kind in KINDS)
    read = read_run(path)
    after = scan(path), scan(path, page_size=2), read.history(samples=1000, pandas=False)
    assert len(after[0]) == len(rows)
    assert after[:2] == before[:2]
    assert texts(after[2]) == texts(before[2])
    assert scan(path) == after[0], "from the client's cache"


@pytest.mark.smoke
def test_parts_of_a_scan_are_the_same_live_and_at_rest(server, project):
    run = wandb.init(project=project)
    path = log(run, [plain(step) for step in range(60)], server)
    asked = [
        {"min_step": 10, "max_step": 20},
        {"min_step": 55, "page_size": 3},
        {"keys": ["int"]},
        {"keys": ["text", "float"], "page_size": 7},
        {"keys": ["flag", "_step"], "min_step": 56},
        {"keys": ["nobody"]},
    ]
    before = [scan(path, **options) for options in asked]
    run.finish()
    settle(server, path)
    assert [len(rows) for rows in before] == [10, 5, 60, 60, 4, 0]
    assert [scan(path, **options) for options in asked[:-1]] == before[:-1]
    unknown = [json.loads(row) for row in scan(path, **asked[-1])]
    assert not any("nobody" in row for row in unknown)


def test_rows_that_have_all_keys_are_the_same_live_and_at_rest(server, project):
    """Out of a file the newer client gives the other rows too, with what they have."""
    run = wandb.init(project=project)
    path = log(run, KINDS["sparse"], server)
    keys = ["x", "rare"]
    before = scan(path, keys=keys)
    run.finish()
    settle(server, path)
    whole = [row for row in map(json.loads, scan(path, keys=keys)) if row.keys() >= set(keys)]
    assert texts(whole) == before
    assert len(before) == 6
    sampled = read_run(path).history(keys=keys, pandas=False)
    assert [row["rare"] for row in sampled] == list(range(0, 60, 10))


def test_beta_scan_history_is_the_same(server, project):
    run = read_run(f"admin/{project}/{log_run(project, KINDS['plain'])}")
    if not hasattr(run, "beta_scan_history"):
        pytest.skip(f"{wandb.__version__} does not have it")
    settle(server, "/".join(run.path))
    assert texts(run.beta_scan_history(page_size=8)) == texts(run.scan_history())
    assert texts(run.beta_scan_history(keys=["int"])) == texts(run.scan_history(keys=["int"]))


def test_media_are_the_same_live_and_at_rest(server, project):
    run = wandb.init(project=project)
    rows = [
        {
            "image": wandb.Image(np.full((4, 4, 3), step, dtype=np.uint8), caption=f"nr. {step}"),
            "weights": wandb.Histogram([step, step + 1, step + 1]),
            "loss": step / 2,
        }
        for step in range(4)
    ]
    path = log(run, [*rows, {"loss": 9.0}], server)
    asked = [{}, {"keys": ["loss"]}]
    before = [scan(path, **options) for options in asked]
    run.finish()
    settle(server, path)
    assert [scan(path, **options) for options in asked] == before
    first = json.loads(before[0][0])
    assert (first["image"]["_type"], first["image"]["width"]) == ("image-file", 4)
    assert sum(first["weights"]["values"]) == 3
    assert sum(key["weights"]["_type"] == "histogram" for key in map(json.loads, before[0][:4])) == 4


@pytest.mark.smoke
def test_a_resumed_run_goes_on_in_another_file(server, project):
    log_run(project, [{"x": step} for step in range(5)], id="again")
    path = f"admin/{project}/again"
    settle(server, path)
    first = files(server, path)
    assert len(scan(path)) == 5  # the client keeps the first file

    run = wandb.init(project=project, id="again", resume="must")
    assert run.resumed
    log(run, [{"x": 5, "new": "key"}, {"x": 6}], server, count=7)
    while_live = scan(path)
    run.finish()
    settle(server, path)
    assert scan(path) == while_live
    assert [json.loads(row)["x"] for row in while_live] == list(range(7))
    assert [row["x"] for row in read_run(path).scan_history(keys=["x"], page_size=2)] == list(range(7))
    assert (len(first), len(files(server, path))) == (1, 2)


@pytest.mark.parametrize("page_size", [2, 1000])
def test_steps_that_go_back_are_not_handed_out(server, project, page_size):
    """The client stops reading a file at the first step that it does not want."""
    path = server.new_run(project, "back")
    lines = [{"_step": step, "x": place} for place, step in enumerate([0, 2, 4, 1, 3, 5])]
    server.stream(
        path, files={"wandb-history.jsonl": {"offset": 0, "content": [json.dumps(line) for line in lines]}}
    )
    server.stream(path, complete=True, exitcode=0)
    settle(server, path, handed_out=False)
    assert sorted(json.loads(row)["_step"] for row in scan(path, page_size=page_size)) == list(range(6))


def test_a_thousand_keys(server, project):
    noise = random.Random(7)
    rows = [{f"layer/{key:04}": noise.random() for key in range(1000)} for _ in range(20)]
    run = wandb.init(project=project)
    path = log(run, rows, server)
    before = scan(path)
    run.finish()
    settle(server, path)
    assert scan(path) == before
    keys = ["layer/0999", "layer/0500", "layer/0000"]
    assert [[row[key] for key in keys] for row in read_run(path).scan_history(keys=keys)] == [
        [row[key] for key in keys] for row in rows
    ]


def test_thirty_thousand_steps(server, project):
    run = wandb.init(project=project)
    for step in range(30_000):
        run.log({"x": step, "half": step / 2})
    run.finish()
    path = f"admin/{project}/{run.id}"
    settle(server, path)
    read = read_run(path)
    assert [(row["_step"], row["x"]) for row in read.scan_history(page_size=10_000)] == [
        (step, step) for step in range(30_000)
    ]
    window = read.scan_history(keys=["half"], min_step=29_998)
    assert [row["half"] for row in window] == [14_999, 14_999.5]
    for options in ({}, {"keys": ["x"]}):
        steps = [row["_step"] for row in read.history(samples=300, pandas=False, **options)]
        assert steps == sorted(set(steps))
        assert len(steps) <= 300
        assert (steps[0], steps[-1]) == (0, 29_999)


@downloads
def test_downloads_wait_until_the_run_is_over(server, project, tmp_path):
    from wandb.apis.public.runhistory import IncompleteRunHistoryError

    run = wandb.init(project=project, id="live")
    path = log(run, KINDS["plain"], server)
    with pytest.raises(IncompleteRunHistoryError):
        read_run(path).download_history_exports(tmp_path / "early")
    partial = read_run(path).download_history_exports(tmp_path / "part", require_complete_history=False)
    assert (partial.paths, partial.contains_live_data) == ([], True)
    run.finish()
    settle(server, path)
    result = read_run(path).download_history_exports(tmp_path / "late")
    assert not result.contains_live_data
    assert not result.errors
    assert all(file.is_file() for file in result.paths)

    log_run(project, [plain(30)], id="live", resume="must")
    settle(server, path)
    assert len(read_run(path).download_history_exports(tmp_path / "again").paths) == len(result.paths) + 1


@pytest.fixture
def downloaded(server, project, tmp_path):
    """The file of a run with values of every kind."""
    rows = [
        plain(step)
        | {
            "whole": float(step),
            "wide": 2**62 + step,
            "list": [step, step + 1],
            "odd": math.nan if step % 2 else math.inf,
            "weights": wandb.Histogram([0, step + 1]),
            "train/loss": 1 / (step + 1),
        }
        for step in range(5)
    ]
    path = f"admin/{project}/{log_run(project, [*rows, {'int': 5}])}"
    settle(server, path)
    (file,) = read_run(path).download_history_exports(tmp_path / "export").paths
    return file


@downloads
def test_arrow_reads_a_downloaded_file_with_its_types(downloaded):
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(downloaded)
    types = {field.name: field.type for field in table.schema}
    assert types["_step"] == types["int"] == types["wide"] == pa.int64()
    assert types["_runtime"] == types["_timestamp"] == types["float"] == types["odd"] == pa.float64()
    assert types["flag"] == pa.bool_()
    assert types["text"] == pa.string()
    assert pa.types.is_list(types["list"])
    assert types["list"].value_type == pa.int64()
    assert pa.types.is_struct(types["weights"])
    assert table.column("_step").to_pylist() == list(range(6))
    assert table.column("wide").to_pylist() == [2**62 + step for step in range(5)] + [None]
    assert table.column("list").to_pylist()[:2] == [[0, 1], [1, 2]]
    assert table.column("weights").to_pylist()[0]["_type"] == "histogram"


@downloads
def test_pandas_and_polars_read_a_downloaded_file(downloaded):
    import pandas
    import polars

    frame = pandas.read_parquet(downloaded)
    assert frame["int"].tolist() == list(range(6))
    assert frame["train/loss"].tolist()[:2] == [1.0, 0.5]
    assert frame["text"].tolist()[4] == "at 4"
    assert polars.read_parquet(downloaded)["wide"].to_list()[0] == 2**62


@downloads
def test_duckdb_reads_a_downloaded_file(downloaded):
    import duckdb

    found = duckdb.sql(f"SELECT max(_step), avg(float), sum(list[1]), max(weights._type) FROM '{downloaded}'")
    assert found.fetchall() == [(5, 0.25, 10, "histogram")]
    kinds = dict(duckdb.sql(f"SELECT column_name, column_type FROM (DESCRIBE FROM '{downloaded}')").fetchall())
    assert (kinds["int"], kinds["float"], kinds["flag"], kinds["text"], kinds["list"]) == (
        "BIGINT",
        "DOUBLE",
        "BOOLEAN",
        "VARCHAR",
        "BIGINT[]",
    )


@pytest.mark.smoke
def test_summaries_that_a_metric_defines_stay(server, project):
    run = wandb.init(project=project)
    run.define_metric("loss", summary="min,max,mean,last")
    run.define_metric("accuracy", summary="max")
    run.define_metric("batch", hidden=True)
    run.define_metric("val/*", step_metric="batch")
    for step, loss in enumerate([3.0, 1.0, 2.0]):
        run.log({"loss": loss, "accuracy": -loss, "batch": step * 10, "val/x": step})
    run.finish()
    path = f"admin/{project}/{run.id}"
    settle(server, path)
    summary = read_run(path).summary
    assert dict(summary["loss"]) == {"min": 1.0, "max": 3.0, "mean": 2.0, "last": 2.0}
    assert dict(summary["accuracy"]) == {"max": -1.0}
    assert summary["val/x"] == 2
    assert [(row["batch"], row["val/x"]) for row in read_run(path).scan_history(keys=["batch", "val/x"])] == [
        (0, 0),
        (10, 1),
        (20, 2),
    ]
