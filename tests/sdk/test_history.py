"""Reading back a run's metrics: all of them, some of them, some keys of them."""

import pytest

from client import environment, read_run, script

pytestmark = pytest.mark.usefixtures("server")

ROWS = 120


@pytest.fixture(scope="module")
def run_id(shared_server, tmp_path_factory):
    """A run of 120 steps: `loss` at every step, `accuracy` at every tenth."""
    script(
        f"""
        run = wandb.init(project="history", id="long")
        for step in range({ROWS}):
            rare = {{"accuracy": step, "nested": {{"value": step}}}} if step % 10 == 0 else {{}}
            run.log({{"loss": step * 0.5}} | rare)
        run.finish()
        """,
        environment(shared_server, tmp_path_factory.mktemp("client")),
    )
    return "admin/history/long"


@pytest.fixture
def run(run_id):
    return read_run(run_id)


def test_everything_when_it_is_little(run):
    rows = run.history(samples=ROWS, pandas=False)
    assert [row["_step"] for row in rows] == list(range(ROWS))
    assert all({"_runtime", "_timestamp", "loss"} <= row.keys() for row in rows)


def test_a_sample_has_the_first_and_the_last_row(run):
    steps = [row["_step"] for row in run.history(samples=20, pandas=False)]
    assert len(steps) <= 20
    assert steps == sorted(set(steps))
    assert (steps[0], steps[-1]) == (0, ROWS - 1)


def test_keys_give_the_rows_that_have_them_all(run):
    rows = run.history(keys=["loss", "accuracy"], pandas=False)
    assert rows == [{"_step": step, "loss": step * 0.5, "accuracy": step} for step in range(0, ROWS, 10)]


def test_a_nested_key_is_dotted(run):
    rows = run.history(keys=["nested.value"], pandas=False)
    assert [row["nested.value"] for row in rows] == list(range(0, ROWS, 10))


def test_an_unknown_key_gives_nothing(run):
    assert run.history(keys=["nobody"], pandas=False) == []


@pytest.mark.smoke
@pytest.mark.parametrize("page_size", [7, 40, 1000])
def test_a_scan_visits_each_row_once(run, page_size):
    assert [row["_step"] for row in run.scan_history(page_size=page_size)] == list(range(ROWS))


@pytest.mark.smoke
@pytest.mark.parametrize("page_size", [10, 1000])
def test_a_scan_of_keys_visits_each_row_once(run, page_size):
    """One release means the last step of a page to be in it, the other does not."""
    rows = list(run.scan_history(keys=["loss", "_step"], page_size=page_size))
    assert [(row["_step"], row["loss"]) for row in rows] == [(step, step * 0.5) for step in range(ROWS)]


def test_a_scan_of_a_key_has_the_rows_that_have_it(run):
    assert [row["accuracy"] for row in run.scan_history(keys=["accuracy"])] == list(range(0, ROWS, 10))


@pytest.mark.parametrize("keys", [None, ["loss", "_step"]])
@pytest.mark.parametrize("page_size", [2, 3, 4, 1000])
def test_a_scan_keeps_to_its_bounds(run, keys, page_size):
    rows = run.scan_history(keys=keys, min_step=50, max_step=53, page_size=page_size)
    assert [row["_step"] for row in rows] == [50, 51, 52]


def test_a_scan_of_a_key_keeps_to_its_bounds(run):
    assert [row["loss"] for row in run.scan_history(keys=["loss"], min_step=50, max_step=53)] == [
        25.0,
        25.5,
        26.0,
    ]


def test_the_keys_are_known_with_their_last_values(shared_server, run_id):
    keys = shared_server.run(run_id, "historyKeys")["historyKeys"]
    assert keys["lastStep"] == ROWS - 1
    assert {"loss", "accuracy", "nested.value", "_step"} <= keys["keys"].keys()
    assert keys["keys"]["loss"]["previousValue"] == (ROWS - 1) * 0.5
    assert sum(of["count"] for of in keys["keys"]["accuracy"]["typeCounts"]) == ROWS // 10


def test_a_run_that_logged_nothing_has_no_history(shared_server):
    shared_server.graphql(
        'mutation { upsertBucket(input: { modelName: "history", name: "silent" }) { inserted } }'
    )
    run = read_run("admin/history/silent")
    assert run.lastHistoryStep == -1
    assert run.history(pandas=False) == []
    assert list(run.scan_history()) == []


def test_no_part_of_a_run_claims_to_be_exported(shared_server, run_id):
    history = shared_server.run(run_id, 'parquetHistory(liveKeys: ["_step"]) { parquetUrls liveData }')[
        "parquetHistory"
    ]
    assert history["parquetUrls"] == []
    assert min(row["_step"] for row in history["liveData"]) == 0
