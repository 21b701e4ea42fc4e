"""What was acknowledged survives whatever happens to the server."""

import json
import pathlib
import threading

import httpx
import pytest
import wandb

from client import Script, read_run
from server import eventually

WRITERS = 10
LINES = 5


class Writer(threading.Thread):
    """Streams numbered lines as the client does: the same request again until it is acknowledged."""

    def __init__(self, server, path):
        super().__init__()
        self.url = f"{server.url}/files/{path}/file_stream"
        self.auth = ("api", server.key)
        self.path = path
        self.acknowledged = 0
        self.refusals = []
        self.ending = threading.Event()

    def run(self):
        with httpx.Client(auth=self.auth, timeout=30) as http:
            while not self.ending.is_set() and not self.refusals:
                if self.send(http):
                    self.acknowledged += LINES

    def send(self, http):
        first = self.acknowledged
        content = [
            json.dumps({"_step": line, "value": f"{self.path} {line}"})
            for line in range(first, first + LINES)
        ]
        try:
            status = http.post(
                self.url, json={"files": {"wandb-history.jsonl": {"offset": first, "content": content}}}
            ).status_code
        except httpx.TransportError:
            return False
        if 400 <= status < 500 and status not in (408, 429):
            self.refusals.append(status)
        return status == 200


@pytest.mark.timeout(900)
def test_every_acknowledged_line_is_there_once(request, own_server, project):
    server = own_server({})
    writers = [Writer(server, server.new_run(project, f"w{number}")) for number in range(WRITERS)]
    for writer in writers:
        writer.start()

    def each_got_further(than):
        return all(
            writer.acknowledged > before or writer.refusals
            for writer, before in zip(writers, than, strict=True)
        )

    for _ in range(request.config.getoption("--kills")):
        reached = [writer.acknowledged for writer in writers]
        eventually(lambda than=reached: each_got_further(than), every=0.01)
        server.kill9()
        server.start()
    for writer in writers:
        writer.ending.set()
    for writer in writers:
        writer.join()

    for writer in writers:
        assert writer.refusals == []
        rows = server.history(writer.path)
        # One request more may have been stored than was answered.
        assert writer.acknowledged <= len(rows) <= writer.acknowledged + LINES
        assert [row["_step"] for row in rows] == list(range(len(rows)))
        assert [row["value"] for row in rows] == [f"{writer.path} {line}" for line in range(len(rows))]
        assert server.run(writer.path, "historyLineCount")["historyLineCount"] == len(rows)


@pytest.mark.smoke
def test_the_client_gets_over_a_killed_server(own_server, project):
    server = own_server({})
    training = Script(
        """
        run = wandb.init(project=project, id="tough")
        for step in range(100):
            run.log({"x": step})
        print("logged")
        sys.stdin.readline()
        for step in range(100, 200):
            run.log({"x": step})
        print("logged more")
        run.finish()
        """,
        project=project,
    )
    training.wait_for("logged")
    server.kill9()
    training.process.stdin.write("go on\n")
    training.process.stdin.flush()
    training.wait_for("logged more")
    server.start()
    status, printed = training.finish()
    assert status == 0, printed

    run = read_run(f"admin/{project}/tough")
    assert run.state == "finished"
    assert [row["x"] for row in run.scan_history()] == list(range(200))


FILES = 60


@pytest.mark.timeout(300)
def test_the_client_uploads_an_artifact_to_a_server_that_is_killed(own_server, project):
    server = own_server({})
    training = Script(
        """
        os.mkdir("source")
        for number in range(files):
            with open(f"source/{number}", "wb") as file:
                file.write(os.urandom(1 << 20))
        artifact = wandb.Artifact("data", "dataset")
        artifact.add_dir("source")
        run = wandb.init(project=project)
        print("logging")
        run.log_artifact(artifact)
        run.finish()
        """,
        project=project,
        files=FILES,
    )
    training.wait_for("logging")

    def arrived():
        return server.count("artifact_upload", "blob_id IS NOT NULL")

    eventually(lambda: arrived() >= 3, every=0.01)
    server.kill9()
    assert arrived() < FILES
    server.start()
    status, printed = training.finish()
    assert status == 0, printed

    found = wandb.Api().artifact(f"admin/{project}/data:latest")
    folder = found.download("back")
    found.verify(root=folder)
    for number in range(FILES):
        assert pathlib.Path(folder, f"{number}").read_bytes() == pathlib.Path(f"source/{number}").read_bytes()

    # Once the collector need not wait for what was cut off, the store holds what the database knows and no more.
    for setting in ["UPLOAD_WINDOW", "MIN_AGE", "GRACE"]:
        server.environment[f"COUNTERWEIGHT_GC__{setting}"] = "1s"
    eventually(lambda: server.command("gc") and server.count("blob", "state <> 'live'") == 0, every=1)
    assert server.count("artifact_entry") == FILES
    assert server.stored_bytes() == server.rows("SELECT CAST(SUM(size_bytes) AS BIGINT) FROM blob")[0][0]
    found.verify(root=found.download("again"))
