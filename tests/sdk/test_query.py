"""Finding runs: filters, orders, pages; and changing what was found."""

import pytest
import wandb

from client import Script, environment, log_run, read_run, script, since
from server import number

pytestmark = pytest.mark.usefixtures("server")

LEARNING_RATES = [3, 1, 2, 0.5, 10, 100, 0.01]


@pytest.fixture(scope="module")
def seven(shared_server, tmp_path_factory):
    """Seven runs, r0 to r6."""
    script(
        """
        for i, rate in enumerate(rates):
            run = wandb.init(
                project="seven",
                id=f"r{i}",
                name=f"run {i}",
                group="low" if i < 4 else "high",
                job_type="train",
                tags=["even" if i % 2 == 0 else "odd"] + (["best"] if i == 3 else []),
                config={"index": i, "lr": rate, "optimizer": "adam" if i % 2 == 0 else "sgd", "text": f"t{i}",
                        "model": {"depth": i}, "flag": i % 3 == 0} | ({"only": "x"} if i == 5 else {}),
            )
            run.log({"loss": 7 - i, "val/acc": i / 10} | ({"some": -i} if i in (2, 4) else {}))
            run.finish(exit_code=1 if i == 6 else 0)
        """,
        environment(shared_server, tmp_path_factory.mktemp("client")),
        rates=LEARNING_RATES,
    )
    return "admin/seven"


def ids(runs):
    return [run.id for run in runs]


ALL = "0123456"
FILTERS = [
    ({}, ALL),
    ({"config.optimizer": "adam"}, "0246"),
    ({"config.optimizer.value": "adam"}, "0246"),
    ({"config.model.depth": {"$gte": 4}}, "456"),
    ({"config.model.value.depth": 2}, "2"),
    ({"config.lr": {"$gt": 0.5, "$lte": 10}}, "0124"),
    ({"config.lr": "3"}, ""),
    ({"config.text": {"$gt": 5}}, ""),
    ({"config.flag": True}, "036"),
    ({"config.only": {"$exists": True}}, "5"),
    ({"config.only": None}, "012346"),
    ({"config.only": {"$ne": "x"}}, "012346"),
    ({"config.index": {"$in": [1, 5, 99]}}, "15"),
    ({"config.index": {"$nin": [1, 5, 99]}}, "02346"),
    ({"config.index": {"$not": {"$gt": 2}}}, "012"),
    ({"summary_metrics.loss": {"$lt": 3}}, "56"),
    ({"summary_metrics.val/acc": {"$gte": 0.5}}, "56"),
    ({"summary_metrics.some": {"$exists": True}}, "24"),
    ({"tags": "odd"}, "135"),
    ({"tags": {"$in": ["best", "even"]}}, "02346"),
    ({"tags": {"$nin": ["odd"]}}, "0246"),
    ({"$and": [{"tags": "odd"}, {"tags": "best"}]}, "3"),
    ({"state": "failed"}, "6"),
    ({"state": {"$ne": "finished"}}, "6"),
    ({"display_name": {"$regex": "^run [0-2]$"}}, "012"),
    ({"displayName": {"$regex": "5"}}, "5"),
    ({"name": "r3"}, "3"),
    ({"group": "low"}, "0123"),
    ({"jobType": "train"}, ALL),
    ({"job_type": "eval"}, ""),
    ({"username": "admin"}, ALL),
    ({"created_at": {"$gt": "2020-01-01"}}, ALL),
    ({"createdAt": {"$lt": "2020-01-01T00:00:00.000Z"}}, ""),
    ({"$or": [{"config.index": 0}, {"summary_metrics.loss": 1}]}, "06"),
    ({"$nor": [{"config.index": 0}, {"summary_metrics.loss": 1}]}, "12345"),
    ({"state": "finished", "config.optimizer": "adam", "summary_metrics.loss": {"$lte": 5}}, "24"),
    ({"field_of_tomorrow": 1}, ""),
]


@pytest.mark.smoke
@pytest.mark.parametrize(("filters", "expected"), FILTERS, ids=[str(filters) for filters, _ in FILTERS])
def test_a_filter_finds(api, seven, filters, expected):
    runs = api.runs(seven, filters=filters)
    assert ids(runs) == [f"r{i}" for i in expected]
    assert len(runs) == len(expected)


ORDERS = [
    ("+created_at", "0123456"),
    ("created_at", "0123456"),
    ("-created_at", "6543210"),
    ("config.lr.value", "6312045"),
    ("-config.lr", "5402136"),
    ("+summary_metrics.loss", "6543210"),
    ("-summary_metrics.val/acc", "6543210"),
    ("+summary_metrics.some", "4201356"),
    ("-display_name", "6543210"),
    ("-state", "5432106"),
]


@pytest.mark.smoke
@pytest.mark.parametrize(("order", "expected"), ORDERS)
@pytest.mark.parametrize("per_page", [2, 50])
def test_an_order_holds_across_pages(api, seven, order, expected, per_page):
    assert ids(api.runs(seven, order=order, per_page=per_page)) == [f"r{i}" for i in expected]


def test_a_filter_holds_across_pages(api, seven):
    runs = api.runs(seven, filters={"tags": "even"}, order="-config.lr", per_page=1)
    assert ids(runs) == ["r4", "r0", "r2", "r6"]
    assert len(runs) == 4


def test_a_listed_run_knows_itself(api, seven):
    run = api.runs(seven, filters={"name": "r3"})[0]
    assert run.config["lr"] == 0.5
    assert run.summary["loss"] == 4
    assert run.user.username == "admin"
    assert run.path == ["admin", "seven", "r3"]


def test_a_project_that_is_not_there_is_an_error(api):
    with pytest.raises((ValueError, wandb.errors.CommError), match="Could not find project"):
        list(api.runs("admin/nowhere"))
    with pytest.raises((ValueError, wandb.errors.CommError), match="Could not find run"):
        read_run("admin/nowhere/nobody")


def test_projects_are_listed(api, seven):
    assert "seven" in [project.name for project in api.projects("admin", per_page=1)]
    project = api.project("seven", "admin")
    assert project.id and project.path == ["admin", "seven"]


def test_a_project_can_be_made_before_its_runs(api, project):
    api.create_project(project, "admin")
    assert len(api.runs(f"admin/{project}")) == 0


@pytest.mark.smoke
def test_an_update_changes_what_it_says(api, project):
    run_id = log_run(project, [{"loss": 1}], config={"lr": 0.1, "seed": 1}, tags=["a"], notes="old")

    run = read_run(f"admin/{project}/{run_id}")
    run.config["lr"] = 0.5
    run.tags.append("b")
    run.name = "new name"
    run.notes = "new notes"
    run.summary["score"] = 9
    run.update()

    read = read_run(f"admin/{project}/{run_id}")
    assert read.config == {"lr": 0.5, "seed": 1}
    assert (sorted(read.tags), read.name, read.notes) == (["a", "b"], "new name", "new notes")
    assert (read.summary["score"], read.summary["loss"]) == (9, 1)
    assert read.state == "finished"
    assert ids(
        api.runs(f"admin/{project}", filters={"config.lr": 0.5, "summary_metrics.score": {"$gt": 8}})
    ) == [run_id]


def test_tags_can_be_taken_away(api, project):
    run_id = log_run(project, tags=["a", "b"])
    run = read_run(f"admin/{project}/{run_id}")
    run.tags = []
    run.update()
    assert read_run(f"admin/{project}/{run_id}").tags == []
    assert ids(api.runs(f"admin/{project}", filters={"tags": "a"})) == []


def test_one_waits_until_a_run_is_finished(project):
    training = Script(
        """
        run = wandb.init(project=project, id="slow")
        print("begun")
        sys.stdin.readline()
        run.finish()
        """,
        project=project,
    )
    training.wait_for("begun")
    run = read_run(f"admin/{project}/slow")
    assert run.state == "running"
    training.process.stdin.write("now\n")
    training.process.stdin.flush()
    run.wait_until_finished()
    assert run.state == "finished"
    training.finish()


def test_a_run_can_be_made_without_a_writer(server, api, project):
    run = api.create_run(run_id="made", project=project, entity="admin")
    assert (run.id, run.state) == ("made", "running")
    assert number(server.run(f"admin/{project}/made", "id")["id"]) > 0


@since(0, 31, "has no Run.update_state")
def test_a_state_is_changed_by_hand(api, project):
    api.create_run(run_id="made", project=project, entity="admin")
    run = read_run(f"admin/{project}/made")
    assert run.update_state("pending")
    assert run.update_state("failed")
    with pytest.raises(wandb.errors.CommError, match="invalid state transition"):
        run.update_state("failed")


@since(0, 31, "has no Run.console_logs")
def test_console_lines_come_in_pages(project):
    script(
        """
        run = wandb.init(project=project, id="talks")
        for line in range(25):
            print(f"line {line}")
        run.finish()
        """,
        project=project,
    )
    run = read_run(f"admin/{project}/talks")
    every = [line.content.rstrip() for line in run.console_logs(per_page=7)]
    assert [line for line in every if line.startswith("line")] == [f"line {line}" for line in range(25)]
    assert [line.content.rstrip() for line in run.console_logs(last=3)] == every[-3:]


@since(0, 31, "has no Run.stop")
def test_a_run_is_stopped_through_the_client(project):
    training = Script(
        """
        run = wandb.init(project=project, id="endless")
        print("begun")
        while True:
            run.log({"x": 1})
            time.sleep(0.1)
        """,
        project=project,
    )
    training.wait_for("begun")
    read_run(f"admin/{project}/endless").stop()
    status, _ = training.finish()
    assert status != 0
