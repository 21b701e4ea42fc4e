"""Everything that `wandb.Api()` promises of many runs, of projects, and of those who ask."""

import json
import uuid

import pandas
import polars
import pytest
import wandb

from client import environment, log_run, read_run, script, since

pytestmark = pytest.mark.usefixtures("server")

COUNT = 7


@pytest.fixture(scope="module")
def many(shared_server, tmp_path_factory):
    """A project of seven runs, r0 to r6, each with a few rows: its path."""
    script(
        f"""
        for n in range({COUNT}):
            run = wandb.init(
                project="many",
                id=f"r{{n}}",
                config={{"n": n}},
                tags=["even" if n % 2 == 0 else "odd"],
                settings=wandb.Settings(x_stats_sampling_interval=0.1) if n == 0 else None,
            )
            for step in range(n):
                run.log({{"x": step, "n": n}})
            if n == 0:
                time.sleep(0.5)
            run.finish()
        """,
        environment(shared_server, tmp_path_factory.mktemp("client")),
    )
    return "admin/many"


def ids(runs):
    return [run.id for run in runs]


ALL = [f"r{n}" for n in range(COUNT)]


@pytest.mark.parametrize("per_page", [1, 3, COUNT, 1000])
def test_runs_are_counted_indexed_and_sliced_across_pages(api, many, per_page):
    runs = api.runs(many, per_page=per_page)
    assert len(runs) == COUNT
    assert runs[0].id == "r0"
    assert runs[COUNT - 1].id == f"r{COUNT - 1}"
    assert ids(runs[2:5]) == ["r2", "r3", "r4"]
    assert ids(runs) == ids(runs) == ALL
    assert not runs.more
    with pytest.raises(IndexError):
        runs[COUNT]


def test_pages_are_fetched_one_by_one(api, many):
    runs = api.runs(many, per_page=3)
    assert runs.more and runs.cursor is None and len(runs.objects) == 0
    assert next(runs).id == "r0"
    assert len(runs.objects) == 3 and runs.more and runs.cursor
    assert len(runs) == COUNT and len(runs.objects) == 3
    assert ids(runs) == ALL and len(runs.objects) == COUNT
    assert repr(runs) == "<Runs admin/many>"


def test_an_empty_list_is_empty(api, many):
    runs = api.runs(many, filters={"config.n": -1})
    assert (len(runs), list(runs), runs.more) == (0, [], False)
    with pytest.raises(IndexError):
        runs[0]


@pytest.mark.parametrize(("order", "expected"), [("", ALL), ("+created_at", ALL), ("-created_at", ALL[::-1])])
def test_the_oldest_run_comes_first_unless_asked_otherwise(api, many, order, expected):
    assert ids(api.runs(many, order=order, per_page=2)) == expected


def test_heartbeats_and_values_give_an_order(api, many):
    assert ids(api.runs(many, order="-heartbeat_at")) == ALL[::-1]
    assert ids(api.runs(many, order="-config.n.value", per_page=2)) == ALL[::-1]
    assert ids(api.runs(many, order="+summary_metrics.n", per_page=2)) == [*ALL[1:], "r0"]


def test_an_api_remembers_a_list_until_it_is_flushed(api, project):
    log_run(project, id="first")
    runs = api.runs(f"admin/{project}")
    assert ids(runs) == ["first"]
    log_run(project, id="second")
    assert api.runs(f"admin/{project}") is runs and ids(runs) == ["first"]
    api.flush()
    assert ids(api.runs(f"admin/{project}")) == ["first", "second"]


@since(0, 31, "has no lazy runs")
def test_a_lazy_run_fetches_what_it_is_asked_for(api, many):
    for attribute, expected in [
        ("config", {"n": 3}),
        ("summary_metrics", {"x": 2, "n": 3}),
        ("summary", {"x": 2, "n": 3}),
        ("rawconfig", {"n": 3}),
        ("system_metrics", {}),
    ]:
        api.flush()
        run = api.runs(many, filters={"name": "r3"})[0]
        assert "config" not in run._attrs and "summaryMetrics" not in run._attrs
        assert (run.name, run.state, run.tags, run.user.username) == (run.name, "finished", ["odd"], "admin")
        value = getattr(run, attribute)
        assert {key: value[key] for key in expected} == expected, attribute
        assert "config" in run._attrs


@since(0, 31, "has no lazy runs")
def test_lazy_runs_become_full_ones(api, many):
    runs = api.runs(many, per_page=3)
    next(runs)
    runs.upgrade_to_full()
    assert [run._attrs["config"] for run in runs] == [{"n": n} for n in range(COUNT)]
    assert runs is api.runs(many, per_page=3, lazy=False)
    api.flush()
    full = api.runs(many, lazy=False)[5]
    assert full._attrs["config"] == {"n": 5} and full.load_full_data() is full._attrs


@since(0, 31, "has no lazy runs")
def test_a_lazy_run_keeps_its_documents_when_it_is_updated(api, project):
    run_id = log_run(project, [{"x": 1}], config={"lr": 1}, tags=["a"])
    run = api.runs(f"admin/{project}")[0]
    run.tags = [*run.tags, "b"]
    run.update()
    read = read_run(f"admin/{project}/{run_id}")
    assert (sorted(read.tags), read.config, read.summary["x"]) == (["a", "b"], {"lr": 1}, 1)


@since(0, 31, "has no lazy runs")
def test_a_full_run_keeps_what_the_client_notes_when_it_is_updated(server, api, project):
    run_id = log_run(project, [{"x": 1}], config={"lr": 1})
    run = api.runs(f"admin/{project}", lazy=False)[0]
    run.config["lr"] = 2
    run.update()
    kept = json.loads(server.run(f"admin/{project}/{run_id}", "config")["config"])
    assert kept["lr"]["value"] == 2 and kept["_wandb"]["value"]["cli_version"] == wandb.__version__
    assert log_run(project, [{"x": 2}], id=run_id, resume="must") == run_id
    assert [row["x"] for row in read_run(f"admin/{project}/{run_id}").scan_history()] == [1, 2]


@pytest.mark.parametrize("options", [{}, {"include_sweeps": True}, {"include_sweeps": False}])
def test_runs_of_no_sweep_have_none(api, many, options):
    assert [run.sweep for run in api.runs(many, **options)] == [None] * COUNT


def test_histories_of_many_runs_are_one_list(api, many):
    rows = api.runs(many).histories(format="default")
    logged = [(f"r{n}", x) for n in range(COUNT) for x in range(n)]
    assert [(row["run_id"], row["x"]) for row in rows] == logged
    some = api.runs(many, filters={"tags": "odd"}).histories(keys=["x"], samples=2, x_axis="n")
    assert [(row["run_id"], row["n"], row["x"]) for row in some] == [
        ("r1", 1, 0),
        ("r3", 3, 0),
        ("r3", 3, 2),
        ("r5", 5, 0),
        ("r5", 5, 4),
    ]


def test_histories_come_as_data_frames(api, many):
    frame = api.runs(many).histories(keys=["x"], format="pandas")
    assert isinstance(frame, pandas.DataFrame) and list(frame.columns) == ["_step", "run_id", "x"]
    assert len(frame) == sum(range(COUNT))
    frame = api.runs(many).histories(keys=["x"], format="polars")
    assert isinstance(frame, polars.DataFrame) and frame.columns == ["_step", "run_id", "x"]
    assert frame.height == sum(range(COUNT))
    nothing = api.runs(many, filters={"name": "nobody"})
    assert nothing.histories(format="pandas").empty and nothing.histories(format="default") == []


def test_histories_of_the_system_are_a_stream_of_their_own(api, many):
    rows = api.runs(many, filters={"name": "r0"}).histories(stream="system")
    assert rows and all(row["run_id"] == "r0" for row in rows)
    assert any(key.startswith("system.") for key in rows[0])


@pytest.mark.parametrize(
    "path",
    ["admin/many/r2", "admin/many/runs/r2", "/admin/many/runs/r2", "admin/many:r2", "many/r2", "many:r2"],
)
def test_a_run_is_found_by_every_spelling_of_its_path(api, many, path):
    assert api.run(path).config == {"n": 2}


def test_a_path_says_what_it_leads_to(api, many):
    assert api.from_path("admin/many/runs/r1").id == "r1"
    assert api.from_path("admin/many/r1").id == "r1"
    assert api.from_path("admin/many").path == ["admin", "many"]
    assert api.from_path("many").path == ["admin", "many"]
    with pytest.raises(wandb.Error, match="Invalid path"):
        api.from_path("admin/many/things/r1")


def test_an_api_may_stand_in_a_project(server, many):
    api = wandb.Api(overrides={"entity": "admin", "project": "many"})
    assert api.run("r4").config == {"n": 4}
    assert ids(api.runs()) == ALL
    assert ids(api.runs("many")) == ALL


def test_a_project_knows_itself(server, api, many):
    project = api.project("many", entity="admin")
    assert (project.name, project.entity, project.path) == ("many", "admin", ["admin", "many"])
    assert project.url == f"{server.url}/admin/many/workspace"
    assert project.id == api.from_path("admin/many").id
    assert project.created_at.endswith("Z") and project.is_benchmark is False
    assert "many" in repr(project)


@since(0, 31, "has no Project.owner")
def test_a_project_knows_its_owner(api, many):
    owner = api.project("many", entity="admin").owner
    assert (owner.username, owner.name, owner.entity) == ("admin", "admin", "admin")


def test_a_project_that_is_not_there_has_no_id(api):
    with pytest.raises((ValueError, TypeError)):  # which of them, depends on the release
        _ = api.project("nowhere", entity="admin").id


def test_projects_are_made_once_and_listed_in_pages(api, project):
    names = [f"{project}-{n}" for n in range(5)]
    for name in [*names, names[0]]:
        api.create_project(name, "admin")
    listed = api.projects("admin", per_page=2)
    found = [project.name for project in listed]
    assert [name for name in found if name in names] == names[::-1]
    assert len(found) == len(set(found))
    assert listed[0].name in found
    assert api.projects("admin") is listed
    assert {project.name for project in wandb.Api().projects()} == set(found)
    assert len(api.runs(f"admin/{names[0]}")) == 0


def test_the_api_says_who_asks(server, api):
    assert api.user_agent == f"W&B Public Client {wandb.__version__}"
    assert api.default_entity == api.viewer.entity == "admin"
    assert api.viewer.username == "admin" and api.viewer.admin is True
    assert api.api_key == server.key


@pytest.fixture
def colleague(server):
    """Another user: their name and their key."""
    name = f"user-{uuid.uuid4().hex[:8]}"
    return name, server.create_user(name, "--email", f"{name}@example.org")


def test_an_administrator_finds_users(server, api, colleague, use_client):
    name, key = colleague
    assert api.user(name).username == name
    assert (api.user(f"{name}@example.org").email, api.user(name).teams) == (f"{name}@example.org", [name])
    assert [user.username for user in api.users(name[:-1])] == [name]
    assert api.user("nobody-of-that-name") is None and api.users("nobody-of-that-name") == []
    use_client(server, key)
    assert wandb.Api().user("admin") is None


@pytest.mark.parametrize("by", ["name", "email"])
def test_a_service_logs_in_the_name_of_a_user(server, project, colleague, use_client, monkeypatch, by):
    name, key = colleague
    if by == "name":
        monkeypatch.setenv("WANDB_USERNAME", name)
    else:
        monkeypatch.setenv("WANDB_USER_EMAIL", f"{name}@example.org")
    use_client(server)
    run_id = log_run(project, [{"x": 1}])
    monkeypatch.delenv("WANDB_USERNAME", raising=False)
    monkeypatch.delenv("WANDB_USER_EMAIL", raising=False)
    use_client(server)
    log_run(project, [{"x": 1}], id="own")
    assert read_run(f"admin/{project}/{run_id}").user.username == name
    assert ids(wandb.Api().runs(f"admin/{project}", filters={"username": name})) == [run_id]
    assert server.run(f"admin/{project}/{run_id}", "id", key=key) is None


def test_nobody_else_logs_in_the_name_of_a_user(server, project, colleague, use_client, monkeypatch):
    name, key = colleague
    monkeypatch.setenv("WANDB_USERNAME", "admin")
    use_client(server, key)
    run_id = log_run(project, [{"x": 1}])
    assert read_run(f"{name}/{project}/{run_id}").user.username == name


def test_an_administrator_reads_and_changes_the_runs_of_others(server, project, colleague, use_client):
    name, key = colleague
    use_client(server, key)
    log_run(project, [{"x": 1}], id="theirs", config={"lr": 1})
    use_client(server)
    path = f"{name}/{project}/theirs"
    assert server.run(path, "id") is None, "without asking for an administrator's rights"
    run = read_run(path)
    assert (run.user.username, run.config, run.summary["x"]) == (name, {"lr": 1}, 1)
    assert ids(wandb.Api().runs(f"{name}/{project}")) == ["theirs"]
    assert project in [found.name for found in wandb.Api().projects(name)]
    assert run.file("config.yaml").download(root="back").read()
    run.notes = "seen"
    run.update()
    seen = server.run(path, "notes user { username }", key=key)
    assert seen == {"notes": "seen", "user": {"username": name}}
    run.delete()
    assert server.run(path, "id", key=key) is None
