"""Everything that `wandb.Api().run(...)` promises of one run: what it knows, changes and hands out."""

import json
import math
import pathlib
import re
from datetime import timedelta

import httpx
import pandas
import pytest
import wandb
from wandb.apis.public import Run

from client import environment, log_run, read_run, script, since

pytestmark = pytest.mark.usefixtures("server")


@pytest.fixture(scope="module")
def rich(shared_server, tmp_path_factory):
    """A finished run with something of everything: its path."""
    script(
        """
        run = wandb.init(
            project="rich.project",
            id="rich-1.0",
            name="rich one",
            notes="some notes",
            group="a group",
            job_type="train",
            tags=["one", "two"],
            config={"lr": 0.1, "model": {"depth": 3}, "none": None, "list": [1, "a"]},
            settings=wandb.Settings(
                x_stats_sampling_interval=0.1, git_commit="c0ffee", git_remote_url="git@example:r"
            ),
        )
        run.define_metric("epoch")
        run.define_metric("acc", step_metric="epoch", summary="max,min")
        for epoch in range(10):
            run.log({"epoch": epoch, "acc": [0.1, 0.9, 0.5][epoch % 3], "loss": 10 - epoch}, step=epoch * 10)
        time.sleep(0.5)
        run.finish()
        """,
        environment(shared_server, tmp_path_factory.mktemp("client")),
    )
    return "admin/rich.project/rich-1.0"


@pytest.fixture
def run(rich):
    return read_run(rich)


def test_a_run_knows_what_it_is(server, run):
    assert (run.id, run.name, run.entity, run.project) == ("rich-1.0", "rich one", "admin", "rich.project")
    assert (run.state, run.notes, run.group, run.job_type) == ("finished", "some notes", "a group", "train")
    assert (sorted(run.tags), run.commit, run.description) == (["one", "two"], "c0ffee", None)
    assert run.path == ["admin", "rich.project", "rich-1.0"]
    assert run.url == f"{server.url}/admin/rich.project/runs/rich-1.0"
    assert run.storage_id == server.run("/".join(run.path), "id")["id"]
    assert run.username == "admin" and (run.user.name, run.user.username) == ("admin", "admin")
    assert run.read_only is False
    assert (run.sweep, run.sweep_name) == (None, None)
    moment = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
    assert moment.fullmatch(run.created_at) and moment.fullmatch(run.heartbeat_at)
    assert run.created_at <= run.heartbeat_at
    assert "rich-1.0 (finished)" in repr(run)


def test_a_run_knows_its_documents(run):
    assert run.config == {"lr": 0.1, "model": {"depth": 3}, "none": None, "list": [1, "a"]}
    assert run.rawconfig.keys() == run.config.keys() | {"_wandb"}
    assert json.loads(run.json_config)["lr"]["value"] == 0.1
    assert run.summary["loss"] == run.summary_metrics["loss"] == 1
    assert run.summary["acc"]["max"] == 0.9 and run.summary["acc"]["min"] == 0.1
    assert run.lastHistoryStep == 90
    assert run.history_line_count == 10
    assert {"acc", "epoch", "loss", "_step"} <= run.history_keys["keys"].keys()
    assert any(key.startswith("system.") for key in run.system_metrics)
    assert "_wandb" not in run.system_metrics


def test_what_was_said_of_a_metric_outlives_an_update(server, run):
    def defined():
        config = json.loads(server.run("/".join(run.path), "config")["config"])
        return config["_wandb"]["value"]["m"]

    before = defined()
    assert "acc" in json.dumps(before) and "epoch" in json.dumps(before)
    run.config["later"] = 1
    run.update()
    assert defined() == before
    del run.config["later"]
    run.update()
    assert "later" not in read_run("/".join(run.path)).config


def test_metadata_is_what_the_client_measured(run):
    assert run.metadata["git"] == {"commit": "c0ffee", "remote": "git@example:r"}
    assert run.metadata["startedAt"] and run.metadata["python"]


def test_how_it_was_started_is_read_from_its_metadata(server, run):
    fields = "runInfo { program os python executable cpuCount git { remote commit } }"
    info = server.run("/".join(run.path), fields)["runInfo"]
    assert info["git"] == run.metadata["git"]
    assert (info["os"], info["python"]) == (run.metadata["os"], run.metadata["python"])
    assert info["cpuCount"] == run.metadata["cpu_count"]


def test_a_run_loads_again_only_when_forced(rich):
    run, other = read_run(rich), read_run(rich)
    other.notes = "changed"
    other.update()
    assert run.load()["notes"] == "some notes"
    assert run.load(force=True)["notes"] == "changed" == run.notes
    run.notes = "some notes"
    run.save()
    assert read_run(rich).notes == "some notes"


def test_an_api_remembers_until_it_is_flushed(api, project):
    path = f"admin/{project}/{log_run(project, notes='before')}"
    assert api.run(path) is api.run(path)
    other = read_run(path)
    other.notes = "after"
    other.update()
    assert api.run(path).notes == "before"
    api.flush()
    assert api.run(path).notes == "after"


def test_an_update_keeps_what_it_does_not_change(project):
    path = f"admin/{project}/{log_run(project, [{'x': 1}], group='g', job_type='j', notes='n', tags=['t'])}"
    run = read_run(path)
    run.group, run.job_type, run.description = "g2", "j2", "what it is"
    run.update()
    read = read_run(path)
    assert (read.group, read.job_type, read.description) == ("g2", "j2", "what it is")
    assert (read.notes, read.tags, read.summary["x"], read.state) == ("n", ["t"], 1, "finished")
    assert read.lastHistoryStep == 0


def test_a_text_can_be_emptied(project):
    path = f"admin/{project}/{log_run(project, notes='long', group='g')}"
    run = read_run(path)
    run.notes = run.group = ""
    run.update()
    assert (read_run(path).notes, read_run(path).group) == ("", "")


def test_a_summary_is_updated_as_a_dictionary(project):
    path = f"admin/{project}/{log_run(project, [{'loss': 1, 'nested': {'deep': {'value': 1}}}])}"
    run = read_run(path)
    run.summary.update({"best": 0.5, "up": math.inf, "list": [1, 2]})
    run.summary["nested"]["deep"]["value"] = 2
    run.summary.update()

    read = read_run(path)
    assert (read.summary["best"], read.summary["loss"], list(read.summary["list"])) == (0.5, 1, [1, 2])
    assert float(read.summary["up"]) == math.inf
    assert read.summary["nested"]["deep"]["value"] == 2
    assert read.state == "finished"
    del read.summary["best"]
    read.summary.update()
    assert "best" not in read_run(path).summary.keys()


def test_a_config_value_can_be_taken_away(api, project):
    path = f"admin/{project}/{log_run(project, config={'lr': 1, 'gone': 2})}"
    run = read_run(path)
    del run.config["gone"]
    run.update()
    assert read_run(path).config == {"lr": 1}
    assert len(api.runs(f"admin/{project}", filters={"config.gone": {"$exists": True}})) == 0


def test_history_is_a_data_frame(run):
    frame = run.history()
    assert isinstance(frame, pandas.DataFrame)
    assert list(frame["_step"]) == list(range(0, 100, 10))
    assert list(frame["loss"]) == list(range(10, 0, -1))


def test_history_takes_samples_keys_and_an_axis(run):
    assert [row["_step"] for row in run.history(samples=2, pandas=False)] == [0, 90]
    rows = run.history(keys=["loss"], x_axis="epoch", pandas=False)
    assert rows == [{"epoch": epoch, "loss": 10 - epoch} for epoch in range(10)]
    assert len(run.history(keys=["loss"], samples=3, pandas=False)) == 3
    assert list(run.history(keys=["acc", "loss"]).columns) == ["_step", "acc", "loss"]


def test_system_metrics_are_a_stream_of_their_own(run):
    rows = run.history(stream="system", pandas=False)
    assert rows and all(any(key.startswith("system.") for key in row) for row in rows)
    assert all({"_runtime", "_timestamp"} <= row.keys() for row in rows)
    assert not any("loss" in row for row in rows)
    assert len(run.history(stream="system")) == len(rows)
    assert len(run.history(stream="system", samples=1, pandas=False)) == 1


def test_keys_must_be_a_list_of_strings(run):
    assert run.history(keys="loss", pandas=False) == []
    assert run.history(keys=[1], pandas=False) == []
    assert run.history(keys=["loss"], stream="system", pandas=False) == []


def test_a_scan_has_the_steps_it_is_asked_for(run):
    def steps(**bounds):
        return [row["_step"] for row in run.scan_history(**bounds)]

    assert steps() == list(range(0, 100, 10))
    assert steps(min_step=15) == list(range(20, 100, 10))
    assert steps(max_step=50) == [0, 10, 20, 30, 40]
    assert steps(min_step=20, max_step=41, page_size=7) == [20, 30, 40]
    assert steps(min_step=90) == [90]
    assert steps(min_step=91) == []
    assert steps(min_step=40, max_step=20) == []
    assert steps(max_step=10_000) == steps()


@pytest.mark.parametrize("page_size", [1, 10, 1000])
def test_a_scan_of_keys_has_the_rows_that_have_them_all(run, page_size):
    rows = run.scan_history(keys=["loss", "epoch"], page_size=page_size)
    assert [(row["loss"], row["epoch"]) for row in rows] == [(10 - epoch, epoch) for epoch in range(10)]
    assert list(run.scan_history(keys=["loss", "nobody"], page_size=page_size)) == []
    some = run.scan_history(keys=["loss"], page_size=page_size, min_step=20, max_step=41)
    assert [row["loss"] for row in some] == [8, 7, 6]


def test_a_scan_can_be_made_again(run):
    scan = run.scan_history()
    assert [row["_step"] for row in scan] == [row["_step"] for row in scan]


@since(0, 31, "has no Run.beta_scan_history")
def test_the_older_name_of_a_scan_scans(run):
    assert [row["epoch"] for row in run.beta_scan_history()] == list(range(10))
    assert [row["epoch"] for row in run.beta_scan_history(keys=["epoch"], min_step=85)] == [9]


def test_every_address_of_a_run_is_a_page(server, run):
    frame = run.to_html()
    (embedded,) = re.findall(r"src='([^']+)'", frame)
    assert embedded == f"{run.url}?jupyter=true"
    assert "height:100px" in run.to_html(height=100) and "display:none" in run.to_html(hidden=True)
    api = wandb.Api()
    project = api.project(run.project, run.entity)
    assert re.search(r"src='([^']+)'", project.to_html())[1] == f"{project.url}?jupyter=true"
    more = ["authorize?ref=models", "settings", "admin", "/".join(project.path), "admin/p/groups/g%2F1"]
    for url in [run.url, embedded, project.url, *(f"{server.url}/{path}" for path in more)]:
        for accept in ["text/html,application/xhtml+xml", "*/*"]:
            page = httpx.get(url, headers={"accept": accept})
            assert page.status_code == 200, url
            assert page.headers["content-type"].startswith("text/"), url
    assert "frame-ancestors *" in httpx.get(embedded).headers["content-security-policy"]
    assert "frame-ancestors 'none'" in httpx.get(run.url).headers["content-security-policy"]


def test_a_run_shows_itself_in_a_notebook(run):
    assert run._repr_html_() == run.to_html()
    assert run.display(height=200) is False  # not in a notebook


@pytest.mark.parametrize("state", ["running", "pending"])
def test_a_run_is_created_in_a_state(api, project, state):
    run = Run.create(api, run_id="made", project=project, entity="admin", state=state)
    assert (run.id, run.state, run.config, run.tags) == ("made", state, {}, [])
    assert run.storage_id and run.path == ["admin", project, "made"]
    read = read_run(f"admin/{project}/made")
    assert (read.state, read.storage_id, read.name) == (state, run.storage_id, read.name)
    assert (read.config, dict(read.summary), read.tags, read.lastHistoryStep) == ({}, {}, [], -1)


def test_a_run_is_created_with_an_id_and_a_place_of_its_own(api):
    run = api.create_run()
    assert re.fullmatch("[a-z0-9]{8}", run.id)
    assert run.path == ["admin", "uncategorized", run.id]


def test_a_created_run_is_continued_by_its_writer(api, project):
    made = api.create_run(run_id="made", project=project, entity="admin")
    assert log_run(project, [{"x": 1}], id="made", resume="allow") == "made"
    read = read_run(f"admin/{project}/made")
    assert (read.storage_id, read.state, read.summary["x"]) == (made.storage_id, "finished", 1)


def test_a_created_run_takes_files(api, project):
    run = api.create_run(run_id="made", project=project, entity="admin")
    pathlib.Path("deep").mkdir()
    pathlib.Path("deep/f.txt").write_text("content")
    file = run.upload_file("deep/f.txt", root="deep")
    assert (file.name, file.size) == ("f.txt", 7)
    assert [file.name for file in run.files()] == ["f.txt"]
    assert read_run(f"admin/{project}/made").file("f.txt").download(root="back").read() == "content"


def test_files_are_listed_by_names_or_by_a_pattern_but_not_both(run):
    assert "config.yaml" in [file.name for file in run.files()]
    assert [file.name for file in run.files(pattern="%.yaml")] == ["config.yaml"]
    every = [file.name for file in run.files(per_page=1)]
    assert len(run.files()) == len(every) and set(every) == {file.name for file in run.files()}
    with pytest.raises((ValueError, wandb.errors.CommError), match="both names and pattern"):
        run.files(names=["config.yaml"], pattern="%.yaml")


def test_what_is_not_there_is_not_found(api, rich):
    for path in [f"{rich}-2", "admin/rich.project-2/x", "nobody/rich.project/rich-1.0"]:
        with pytest.raises((ValueError, wandb.errors.CommError), match="Could not find run"):
            api.run(path)


def test_a_name_needs_no_plain_letters(api, project):
    odd = f"{project} ü & co.+"
    run = api.create_run(run_id="größe 1.0 (a+b)", project=odd, entity="admin")
    read = api.run(f"admin/{odd}/größe 1.0 (a+b)")
    assert read.storage_id == run.storage_id
    assert httpx.get(read.url, headers={"accept": "text/html"}).status_code == 200
    assert [run.id for run in api.runs(f"admin/{odd}")] == ["größe 1.0 (a+b)"]


@since(0, 31, "has no Run.stop")
def test_a_finished_run_is_not_stopped(server, project):
    path = f"admin/{project}/{log_run(project, [{'x': 1}])}"
    read_run(path).stop()
    assert server.run(path, "state stopped") == {"state": "finished", "stopped": False}


def test_an_alert_is_told_once_in_a_while(server, project):
    run = wandb.init(project=project)
    run.alert("loss is NaN", "at epoch 3", level=wandb.AlertLevel.ERROR)
    run.alert("loss is NaN", "at epoch 4", level=wandb.AlertLevel.ERROR, wait_duration=600)
    run.alert("slow", "größer als 3 s", level="WARN", wait_duration=timedelta(hours=1))
    run.alert("done", "")
    run.finish()
    fields = "alerts(first: 10) { edges { node { title text severity createdAt } } }"
    alerts = [edge["node"] for edge in server.run(f"admin/{project}/{run.id}", fields)["alerts"]["edges"]]
    assert sorted((alert["title"], alert["text"], alert["severity"]) for alert in alerts) == [
        ("done", "", "INFO"),
        ("loss is NaN", "at epoch 3", "ERROR"),
        ("slow", "größer als 3 s", "WARN"),
    ]
    assert all(alert["createdAt"].endswith("Z") for alert in alerts)
