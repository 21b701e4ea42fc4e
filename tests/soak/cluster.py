"""The program as it is run on several machines: servers and workers over one database and one bucket."""

import os
import pathlib
import random
import re
import signal
import subprocess
import threading
import time
import urllib.request
import xml.etree.ElementTree as ElementTree

from server import BINARY, KEY, S3, Postgres, eventually, free_port

SERVERS = WORKERS = 2
# Between two kills, in seconds. Whoever collects is among them, and the other waits for its lease, a minute, to be over.
PAUSE = (10, 22)


class Member:
    """A process of the program, started again under the same name after each kill."""

    def __init__(self, name, command, environment, folder, address=None):
        self.name = name
        self.command = command
        self.environment = environment
        self.log = folder / f"{name}.log"
        self.address = address
        self.process = None

    def start(self):
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [BINARY, *self.command], env=self.environment, stdout=log, stderr=log
            )
        if self.address:
            eventually(self.is_ready, within=180, every=0.05)

    def is_ready(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"{self.name} ended with {self.process.returncode}: see {self.log}")
        try:
            return urllib.request.urlopen(f"http://{self.address}/ready", timeout=5).status == 200
        except OSError:
            return False

    def kill9(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        """Asks it to end, and tells whether it did so well. One that has just begun does not listen yet."""
        self.process.terminate()
        return self.process.wait(timeout=90) in (0, -signal.SIGTERM)

    def memory(self):
        """Bytes that it has in memory now, and the most that it had since it started."""
        try:
            status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
            return tuple(
                int(re.search(rf"{field}:\s*(\d+) kB", status)[1]) << 10 for field in ("VmRSS", "VmHWM")
            )
        except (OSError, TypeError):
            return None


class Cluster:
    """Two servers, two workers, a database and a bucket of their own."""

    def __init__(self, folder, settings):
        self.folder = folder
        self.settings = settings
        self.database = Postgres(f"soak_{random.getrandbits(64):x}")
        self.store = S3(f"soak-{random.getrandbits(64):x}")
        clean = {name: value for name, value in os.environ.items() if not name.startswith("COUNTERWEIGHT_")}
        self.environment = {
            **clean,
            **self.store.environment,
            "COUNTERWEIGHT_ADMIN_API_KEY": KEY,
            "COUNTERWEIGHT_DATABASE_URL": self.database.url,
            **settings,
        }
        self.servers = [self.server(number) for number in range(1, SERVERS + 1)]
        self.workers = [
            Member(f"worker-{number}", ["worker"], self.environment, folder)
            for number in range(1, WORKERS + 1)
        ]
        self.members = [*self.servers, *self.workers]
        for member in self.members:
            member.start()

    def server(self, number):
        """The first sends downloads to the bucket, the second hands on the bytes itself."""
        address = f"127.0.0.1:{free_port()}"
        environment = {**self.environment, "COUNTERWEIGHT_URLS__PRESIGN": "auto" if number == 1 else "never"}
        return Member(
            f"server-{number}",
            ["serve", "--no-worker", "--listen", address],
            environment,
            self.folder,
            address,
        )

    def command(self, *arguments, check=True):
        """Another subcommand of the program, over the same data."""
        return subprocess.run(
            [BINARY, *arguments], env=self.environment, capture_output=True, text=True, check=check
        )

    def change_settings(self, settings):
        """Restarts the workers, and lets later commands know."""
        for member in [*self.workers, self]:
            member.environment = {**member.environment, **settings}
        ended_well = [worker.stop() for worker in self.workers]
        for worker in self.workers:
            worker.start()
        return all(ended_well)

    def rows(self, sql):
        return self.database.rows(sql)

    def objects(self):
        """Every object in the bucket, with its size."""
        found, after = {}, ""
        while after is not None:
            with urllib.request.urlopen(f"{self.store.url}?list-type=2{after}") as answer:
                page = ElementTree.fromstring(answer.read())
            for entry in page.iterfind("{*}Contents"):
                found[entry.find("{*}Key").text] = int(entry.find("{*}Size").text)
            token = page.find("{*}NextContinuationToken")
            after = None if token is None else f"&continuation-token={token.text}"
        return found

    def discard(self):
        for member in self.members:
            if member.process.poll() is None:
                member.kill9()
        self.database.drop()


class Killer(threading.Thread):
    """Kills a process now and then, without a warning, and starts it again."""

    def __init__(self, cluster, ledger, seed):
        super().__init__(name="killer", daemon=True)
        self.cluster = cluster
        self.ledger = ledger
        self.rng = random.Random(f"{seed} killer")
        self.ending = threading.Event()
        self.kills = []

    def run(self):
        while not self.ending.wait(self.rng.uniform(*PAUSE)):
            member = self.rng.choice(self.cluster.members)
            if member.process.poll() is not None:
                self.ledger.fail(
                    "killer", f"{member.name} had ended by itself with {member.process.returncode}"
                )
            member.kill9()
            self.kills.append((time.time(), member.name))
            time.sleep(self.rng.random() / 2)
            try:
                member.start()
            except (AssertionError, RuntimeError) as error:
                self.ledger.fail("killer", f"{member.name} did not start again: {error}")


class Observer(threading.Thread):
    """Looks at the processes and the collector every few seconds."""

    def __init__(self, cluster):
        super().__init__(name="observer", daemon=True)
        self.cluster = cluster
        self.ending = threading.Event()
        self.first, self.last, self.most = {}, {}, {}
        # What each pass of the collector removed, by its id: the program forgets the oldest.
        self.passes = {}
        self.most_objects = 0

    def run(self):
        while not self.ending.wait(5):
            self.look()

    def look(self):
        for member in self.cluster.members:
            memory = member.memory()
            if memory:
                self.first.setdefault(member.name, memory[0])
                self.last[member.name] = memory[0]
                self.most[member.name] = max(memory[1], self.most.get(member.name, 0))
        ended = "SELECT id, swept FROM gc_pass WHERE ended_at IS NOT NULL ORDER BY id DESC LIMIT 100"
        self.passes.update(self.cluster.rows(ended))
        self.most_objects = max(self.most_objects, self.cluster.rows("SELECT count(*) FROM blob")[0][0])
