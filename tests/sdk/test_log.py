"""What a run logs is what anyone reads back."""

import math

import pytest
import wandb

from client import Script, log_run, read_run, script
from server import eventually

pytestmark = pytest.mark.usefixtures("server")


@pytest.mark.smoke
def test_a_run_reads_back_whole(server, project):
    config = {
        "lr": 0.1,
        "layers": [64, 32],
        "optimizer": {"name": "adam", "betas": {"first": 0.9}},
        "note": "schön ✓",
    }
    run = wandb.init(
        project=project,
        name="first run",
        notes="what it is for",
        tags=["baseline", "größer"],
        group="sweep of 3",
        job_type="train",
        config=config,
    )
    for step in range(5):
        run.log({"loss": 1 / (step + 1), "nested": {"deep": {"value": step}}})
    run.summary["best"] = {"epoch": 3}
    run.finish()

    read = read_run(f"admin/{project}/{run.id}")
    assert (read.state, read.name, read.notes, read.group, read.job_type) == (
        "finished",
        "first run",
        "what it is for",
        "sweep of 3",
        "train",
    )
    assert sorted(read.tags) == ["baseline", "größer"]
    assert read.config == config
    assert read.entity == "admin" and read.user.username == "admin"
    assert read.lastHistoryStep == 4
    assert read.summary["loss"] == 0.2
    assert read.summary["nested"]["deep"]["value"] == 4
    assert read.summary["best"]["epoch"] == 3
    assert read.summary["_step"] == 4
    rows = read.history(pandas=False)
    assert [row["_step"] for row in rows] == [0, 1, 2, 3, 4]
    assert [row["nested"]["deep"]["value"] for row in rows] == [0, 1, 2, 3, 4]


def test_config_and_tags_can_change_while_it_runs(project):
    run = wandb.init(project=project, config={"lr": 0.1, "dropped": 1}, tags=["a"])
    run.config.update({"lr": 0.2}, allow_val_change=True)
    run.config["later"] = "yes"
    run.tags += ("b",)
    run.notes = "added"
    run.name = "renamed"
    run.finish()

    read = read_run(f"admin/{project}/{run.id}")
    assert read.config == {"lr": 0.2, "dropped": 1, "later": "yes"}
    assert sorted(read.tags) == ["a", "b"]
    assert (read.notes, read.name) == ("added", "renamed")


def test_a_run_without_a_name_gets_one(project):
    run_id = log_run(project)
    assert read_run(f"admin/{project}/{run_id}").name


@pytest.mark.parametrize("how", ["history", "scan_history", "summary"])
def test_numbers_of_every_kind_survive(project, how):
    values = {
        "nan": math.nan,
        "up": math.inf,
        "down": -math.inf,
        "big": 2**62 + 1,
        "small": 5e-324,
        "exponent": 1.79e300,
    }
    run_id = log_run(project, [values])

    run = read_run(f"admin/{project}/{run_id}")
    read = {
        "history": lambda: run.history(pandas=False)[0],
        "scan_history": lambda: next(iter(run.scan_history())),
        "summary": lambda: run.summary,
    }[how]()
    assert math.isnan(float(read["nan"]))
    assert (float(read["up"]), float(read["down"])) == (math.inf, -math.inf)
    assert (read["big"], read["small"], read["exponent"]) == (2**62 + 1, 5e-324, 1.79e300)


def test_steps_may_leave_gaps(project):
    run = wandb.init(project=project)
    for step in (0, 10, 11, 500):
        run.log({"x": step}, step=step)
    run.finish()

    read = read_run(f"admin/{project}/{run.id}")
    assert [row["_step"] for row in read.scan_history()] == [0, 10, 11, 500]
    assert read.lastHistoryStep == 500


def test_a_metric_may_define_its_summary_and_axis(project):
    run = wandb.init(project=project)
    run.define_metric("epoch")
    run.define_metric("acc/*", step_metric="epoch", summary="max")
    for epoch, accuracy in enumerate([0.1, 0.9, 0.5]):
        run.log({"epoch": epoch, "acc/top1": accuracy})
    run.finish()

    read = read_run(f"admin/{project}/{run.id}")
    assert read.summary["acc/top1"]["max"] == 0.9
    assert [row["acc/top1"] for row in read.history(keys=["acc/top1"], x_axis="epoch", pandas=False)] == [
        0.1,
        0.9,
        0.5,
    ]


def test_values_with_types_of_the_client_survive(project):
    weights = wandb.Histogram(np_histogram=([1, 2, 1], [0, 1, 2, 3]))
    run_id = log_run(project, [{"weights": weights, "page": wandb.Html("<b>bold</b>", inject=False)}])

    run = read_run(f"admin/{project}/{run_id}")
    row = run.history(pandas=False)[0]
    assert row["weights"] == {"_type": "histogram", "values": [1, 2, 1], "bins": [0, 1, 2, 3]}
    assert row["page"]["_type"] == "html-file"
    assert run.file(row["page"]["path"]).download().read() == "<b>bold</b>"


def test_the_machine_is_measured(project):
    run = wandb.init(project=project, settings=wandb.Settings(x_stats_sampling_interval=0.1))
    events = eventually(lambda: read_run(f"admin/{project}/{run.id}").history(stream="system", pandas=False))
    run.finish()
    assert any(key.startswith("system.") for key in events[0])


@pytest.mark.smoke
def test_an_exception_makes_a_run_failed(server, project):
    training = Script(
        """
        wandb.init(project=project, id="raises")
        wandb.log({"loss": 1})
        raise ValueError("no such layer")
        """,
        project=project,
    )
    status, _ = training.finish()
    assert status == 1

    # The client's helper process may send the end after the script is gone.
    eventually(lambda: read_run(f"admin/{project}/raises").state == "failed")
    assert server.run(f"admin/{project}/raises", "exitcode")["exitcode"] == 1


def test_an_exit_code_makes_a_run_failed(project):
    run_id = log_run(project, [{"loss": 1}], exit_code=3)
    assert read_run(f"admin/{project}/{run_id}").state == "failed"


def test_a_killed_process_makes_a_run_crashed(own_server, project):
    own_server({"runs.crash_after": "3s"})
    training = Script(
        """
        run = wandb.init(project=project, id="killed")
        run.log({"loss": 1})
        print("logged")
        time.sleep(600)
        """,
        project=project,
    )
    training.wait_for("logged")
    training.process.kill()
    training.process.wait()

    run = read_run(f"admin/{project}/killed")
    run.wait_until_finished()
    assert run.state == "crashed"


def test_a_run_that_is_stopped_hears_of_it(server, project):
    training = Script(
        """
        run = wandb.init(project=project, id="stopped")
        print("running")
        while True:
            run.log({"loss": 1})
            time.sleep(0.1)
        """,
        project=project,
    )
    training.wait_for("running")
    run_id = server.run(f"admin/{project}/stopped", "id")["id"]
    server.graphql("mutation ($id: ID!) { stopRun(input: { id: $id }) { success } }", id=run_id)

    status, _ = training.finish()
    assert status != 0
    eventually(lambda: server.run(f"admin/{project}/stopped", "state")["state"] in ("killed", "failed"))


@pytest.mark.smoke
def test_console_lines_are_kept(server, project):
    script(
        """
        run = wandb.init(project=project, id="talks")
        for line in range(20):
            print(f"line {line}")
        print("trouble", file=sys.stderr)
        run.finish()
        """,
        project=project,
    )
    fields = "logLineCount logLines(first: 1000) { edges { node { number level line timestamp } } }"
    run = server.run(f"admin/{project}/talks", fields)
    nodes = [edge["node"] for edge in run["logLines"]["edges"]]
    assert [node["number"] for node in nodes] == list(range(run["logLineCount"]))
    said = [node["line"].rstrip() for node in nodes]
    assert [line for line in said if line.startswith("line ")] == [f"line {line}" for line in range(20)]
    (trouble,) = (node for node in nodes if node["line"].rstrip() == "trouble")
    assert trouble["level"] == "error" and trouble["timestamp"]


def test_a_progress_bar_takes_one_line(server, project):
    script(
        r"""
        run = wandb.init(project=project, id="bar")
        print("before")
        for percent in range(0, 101, 10):
            print(f"\rdone: {percent} %", end="", flush=True)
            time.sleep(0.05)
        print("\nafter")
        run.finish()
        """,
        project=project,
    )
    nodes = server.run(f"admin/{project}/bar", "logLines(first: 1000) { edges { node { line } } }")[
        "logLines"
    ]["edges"]
    lines = [edge["node"]["line"].rstrip() for edge in nodes]
    assert [line for line in lines if line in ("before", "after") or line.startswith("done")] == [
        "before",
        "done: 100 %",
        "after",
    ]
