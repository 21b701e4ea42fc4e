"""A real server for a test: the program itself, on a database and a store of its own."""

import base64
import collections
import contextlib
import json
import os
import pathlib
import random
import re
import resource
import signal
import socket
import sqlite3
import subprocess
import time
import xml.etree.ElementTree as ElementTree

import httpx
import psycopg

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("COUNTERWEIGHT_BIN", str(ROOT / "target/debug/counterweight"))
KEY = "an-administrators-key-of-the-sdk-tests-00001"

UPSERT_RUN = """mutation ($entity: String, $project: String, $name: String) {
    upsertBucket(input: { entityName: $entity, modelName: $project, name: $name }) { inserted }
}"""
CREATE_FILE = """mutation ($entity: String!, $project: String!, $name: String!, $file: String!) {
    createRunFiles(input: { entityName: $entity, projectName: $project, runName: $name, files: [$file] }) {
        files { uploadUrl }
    }
}"""


def free_port():
    """A port below the range that the system gives to clients, so that it is still free after a restart."""
    while True:
        port = random.randint(20000, 32000)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port


def eventually(check, within=60, every=0.1):
    """What `check` answers as soon as it is true; an exception counts as not yet."""
    deadline = time.monotonic() + within
    while True:
        try:
            answer, trouble = check(), None
        except (AssertionError, httpx.TransportError) as error:
            answer, trouble = None, error
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within} s: {trouble or check}") from trouble
        time.sleep(every)


class GraphQLError(Exception):
    """The `errors` of an answer."""

    def __init__(self, errors):
        super().__init__(errors[0]["message"])
        self.code = errors[0].get("extensions", {}).get("code")


class Sqlite:
    """The database in the server's own folder."""

    url = None

    def __init__(self, data):
        self.data = data

    def rows(self, sql):
        with contextlib.closing(sqlite3.connect(f"file:{self.file()}?mode=ro", uri=True)) as connection:
            return connection.execute(sql).fetchall()

    def file(self):
        (file,) = (
            f for f in self.data.iterdir() if f.is_file() and f.open("rb").read(15) == b"SQLite format 3"
        )
        return file

    @contextlib.contextmanager
    def away(self):
        """Nobody can write in the meantime."""
        with contextlib.closing(sqlite3.connect(self.file(), isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield

    def drop(self):
        """It goes with the folder."""


class Postgres:
    """A fresh database in the cluster of `COUNTERWEIGHT_TEST_POSTGRES_URL`."""

    def __init__(self, name):
        self.cluster = os.environ["COUNTERWEIGHT_TEST_POSTGRES_URL"]
        self.name = name
        self.url = self.cluster.rsplit("/", 1)[0] + f"/{name}"
        self.administer(f'CREATE DATABASE "{name}"')

    def administer(self, statement):
        with psycopg.connect(self.cluster, autocommit=True) as connection:
            connection.execute(statement)

    def rows(self, sql):
        with psycopg.connect(self.url) as connection:
            return connection.execute(sql).fetchall()

    @contextlib.contextmanager
    def away(self):
        """Nobody can connect in the meantime."""
        self.administer(f'ALTER DATABASE "{self.name}" ALLOW_CONNECTIONS false')
        self.administer(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{self.name}'"
        )
        try:
            yield
        finally:
            self.administer(f'ALTER DATABASE "{self.name}" ALLOW_CONNECTIONS true')

    def drop(self):
        self.administer(f'DROP DATABASE "{self.name}" WITH (FORCE)')


class Folder:
    """The objects in the server's own folder."""

    environment = {}

    def __init__(self, data):
        self.data = data

    def bytes(self):
        return sum(
            file.stat().st_size
            for file in self.data.rglob("*")
            if file.is_file() and file.parent != self.data
        )

    def unfinished(self):
        """Parts are files among the others here, and count as bytes."""
        return 0


class S3:
    """A fresh bucket in the server of `COUNTERWEIGHT_TEST_S3_URL`."""

    def __init__(self, bucket):
        self.url = f"{os.environ['COUNTERWEIGHT_TEST_S3_URL']}/{bucket}"
        httpx.put(self.url).raise_for_status()
        self.environment = {
            "COUNTERWEIGHT_OBJECT_STORE": f"s3://{bucket}",
            "AWS_ENDPOINT": os.environ["COUNTERWEIGHT_TEST_S3_URL"],
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            # So that clients are sent there too.
            "COUNTERWEIGHT_URLS__PRESIGN": "auto",
        }

    def bytes(self):
        total, page = 0, {}
        while page is not None:
            answer = httpx.get(self.url, params={"list-type": "2", **page}).raise_for_status()
            answer = ElementTree.fromstring(answer.text)
            total += sum(int(size.text) for size in answer.iterfind("{*}Contents/{*}Size"))
            after = answer.find("{*}NextContinuationToken")
            page = None if after is None else {"continuation-token": after.text}
        return total

    def unfinished(self):
        answer = httpx.get(self.url, params={"uploads": ""}).raise_for_status()
        return len(ElementTree.fromstring(answer.text).findall("{*}Upload"))


class Server:
    """`counterweight serve`, its database, its store, and the questions a test asks of them."""

    def __init__(self, folder, database, store, settings, largest_file=None):
        self.data = folder / "data"
        self.data.mkdir(parents=True)
        self.log = folder / "server.log"
        self.database = (
            Sqlite(self.data) if database == "sqlite" else Postgres(f"sdk_{random.getrandbits(64):x}")
        )
        self.store = Folder(self.data) if store == "folder" else S3(f"sdk-{random.getrandbits(64):x}")
        self.address = f"127.0.0.1:{free_port()}"
        self.url = f"http://{self.address}"
        self.key = KEY
        self.largest_file = largest_file
        self.http = httpx.Client(base_url=self.url, auth=("api", KEY), timeout=60, follow_redirects=True)
        clean = {name: value for name, value in os.environ.items() if not name.startswith("COUNTERWEIGHT_")}
        self.environment = {
            **clean,
            **self.store.environment,
            **settings,
            "COUNTERWEIGHT_ADMIN_API_KEY": KEY,
        }
        if self.database.url:
            self.environment["COUNTERWEIGHT_DATABASE_URL"] = self.database.url
        self.start()

    def start(self):
        with self.log.open("a") as log:
            command = [BINARY, "serve", "--listen", self.address, "--data", str(self.data)]
            self.process = subprocess.Popen(
                command,
                env=self.environment,
                stdout=log,
                stderr=log,
                preexec_fn=self.limit_files if self.largest_file else None,
            )
        eventually(self.is_ready)

    def limit_files(self):
        """A disk that is full for whoever writes more than this to a file."""
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (self.largest_file, self.largest_file))

    def is_ready(self):
        if self.process.poll() is not None:
            raise RuntimeError(
                f"the server ended with {self.process.returncode}:\n{self.log.read_text()[-4000:]}"
            )
        return self.http.get("/ready").status_code == 200

    def kill9(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        """Asks it to end, and expects that it does so well."""
        self.process.terminate()
        assert self.process.wait(timeout=60) == 0, self.log.read_text()[-4000:]

    def restart(self):
        self.stop()
        self.start()

    def discard(self):
        if self.process.poll() is None:
            self.stop()
        self.http.close()
        self.database.drop()

    def command(self, *arguments):
        """Another subcommand of the program, over the same data."""
        command = [BINARY, *arguments, "--data", str(self.data)]
        return subprocess.run(
            command, env=self.environment, capture_output=True, text=True, check=True
        ).stdout

    def create_user(self, name, *options):
        """A new user's API key."""
        key = f"key-of-{name}-{random.getrandbits(160):040x}"
        self.command("user", "create", name, "--api-key", key, *options)
        return key

    def graphql(self, query, key=KEY, **variables):
        answer = self.http.post(
            "/graphql", json={"query": query, "variables": variables}, auth=("api", key)
        ).json()
        if answer.get("errors"):
            raise GraphQLError(answer["errors"])
        return answer["data"]

    def run(self, path, fields, key=KEY):
        """Fields of the run at entity/project/name, or None."""
        query = f"""query ($entity: String, $project: String, $name: String!) {{
            project(entityName: $entity, name: $project) {{ run(name: $name) {{ {fields} }} }}
        }}"""
        found = self.graphql(query, key=key, **located(path))["project"]
        return found and found["run"]

    def new_run(self, project, name):
        """A run of the administrator, without a client: its path."""
        path = f"admin/{project}/{name}"
        self.graphql(UPSERT_RUN, **located(path))
        return path

    def upload_url(self, path, file):
        """Where a file of a run is to be put."""
        return self.graphql(CREATE_FILE, **located(path), file=file)["createRunFiles"]["files"][0][
            "uploadUrl"
        ]

    def stream(self, path, **body):
        """One request of a writer."""
        return self.http.post(f"/files/{path}/file_stream", content=json.dumps(body))

    def history(self, path):
        """Every line of a run's history, parsed."""
        everything = "history(minStep: 0, maxStep: 1000000000, samples: 1000000000)"
        return [json.loads(line) for line in self.run(path, everything)["history"]]

    def rows(self, sql):
        return self.database.rows(sql)

    def count(self, table, condition="1 = 1"):
        return self.rows(f"SELECT count(*) FROM {table} WHERE {condition}")[0][0]

    def stored_bytes(self):
        """The size of all objects."""
        return self.store.bytes()

    def unfinished_uploads(self):
        """How many objects have parts that nobody put together."""
        return self.store.unfinished()

    def requests(self):
        """How many it has answered since it started, by method and route."""
        counted = collections.Counter()
        for line in self.http.get("/metrics").text.splitlines():
            if line.startswith("counterweight_http_requests_total{"):
                labels = dict(re.findall(r'(\w+)="([^"]*)"', line))
                counted[f"{labels['method']} {labels['route']}"] += int(line.rsplit(" ", 1)[1])
        return counted

    def peak_memory(self):
        """The most bytes that it has had in memory since it started."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s*(\d+) kB", status)[1]) * 1024


def located(path):
    """The variables that say where a run is."""
    return dict(zip(("entity", "project", "name"), path.split("/"), strict=True))


def number(node_id):
    """The database's number inside a GraphQL id."""
    return int(base64.b64decode(node_id).decode().split(":")[1])


def node_id(kind, row):
    """The GraphQL id of a row."""
    return base64.b64encode(f"{kind}:{row}".encode()).decode()
