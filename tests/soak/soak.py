"""A soak: real clients and their requests, two servers, two workers, kills; and then everything is compared.

scripts/soak.sh starts the database and the store, and this.
"""

import argparse
import dataclasses
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
import types

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "sdk"))

import report
import verdict
from author import Author
from caller import Caller
from client import environment
from cluster import Cluster, Killer, Observer
from ledger import Ledger
from server import KEY, eventually, free_port

ENTITY = "admin"
# The project that is a registry, of an organization's entity.
REGISTRY = ("acme", "wandb-registry-model")
# Seconds until what is in the trash or the archive is gone for good.
TRASH, ARCHIVE = 5, 20
SETTINGS = {
    "retention.trash": f"{TRASH}s",
    "retention.archive": f"{ARCHIVE}s",
    "retention.artifacts": f"{TRASH}s",
    "gc.interval": "500ms",
    "gc.grace": "2s",
    "gc.min_age": "1s",
    "gc.upload_window": "10m",
    "runs.crash_after": "20s",
    "history.settle_after": "5s",
    "worker.poll": "200ms",
    "worker.lease": "1m",
    "log": "info,sea_orm_migration=warn",
}
# At the end nobody uploads any more, so what was cut off need not wait.
AT_THE_END = {"gc.upload_window": "1s", "gc.grace": "1s"}


def variables(settings):
    return {f"COUNTERWEIGHT_{name.upper().replace('.', '__')}": value for name, value in settings.items()}


@dataclasses.dataclass
class Stage:
    """What authors share."""

    seed: int
    servers: list
    ledger: Ledger
    ending: threading.Event
    pause: float
    key: str = KEY
    entity: str = ENTITY
    registry: tuple = REGISTRY
    trash: int = TRASH
    archive: int = ARCHIVE

    def rest(self, rng):
        """Between two actions, so that a machine that others use as well is not theirs alone."""
        self.ending.wait(rng.random() * 2 * self.pause)


class Trainers:
    """Processes with the released client, behind one address for both servers."""

    def __init__(self, cluster, number, seed):
        self.folder = cluster.folder
        self.ending = cluster.folder / "ending"
        address = f"127.0.0.1:{free_port()}"
        servers = [member.address for member in cluster.servers]
        self.balancer = subprocess.Popen([sys.executable, str(HERE / "balancer.py"), address, *servers])
        eventually(lambda: self.balancer.poll() is None)
        self.processes = []
        for one in range(1, number + 1):
            folder = cluster.folder / f"trainer-{one}"
            folder.mkdir()
            clean = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
            where = types.SimpleNamespace(url=f"http://{address}", key=KEY)
            command = [
                sys.executable,
                str(HERE / "trainer.py"),
                str(folder),
                str(self.diary(one)),
                str(self.ending),
                "/".join(REGISTRY),
                str(one),
                str(seed),
            ]
            with (cluster.folder / f"trainer-{one}.log").open("w") as log:
                process = subprocess.Popen(
                    command, env={**clean, **environment(where, folder)}, cwd=folder, stdout=log, stderr=log
                )
            self.processes.append(process)

    def diary(self, number):
        return self.folder / f"trainer-{number}.jsonl"

    def end(self, ledger):
        self.ending.touch()
        for number, process in enumerate(self.processes, 1):
            try:
                process.wait(timeout=900)
            except subprocess.TimeoutExpired:
                process.kill()
                ledger.fail(f"trainer-{number}", "did not come to its end")
            if self.diary(number).exists():
                ledger.read(self.diary(number))
            if process.returncode:
                log = (self.folder / f"trainer-{number}.log").read_text().splitlines()
                ledger.fail(f"trainer-{number}", f"ended with {process.returncode}", log[-25:])

    def close(self):
        self.balancer.kill()
        for process in self.processes:
            if process.poll() is None:
                process.kill()


@dataclasses.dataclass
class Outcome:
    """All that the report tells."""

    command: str
    date: str
    version: str
    seed: int
    seconds: float
    events: int
    ledger: Ledger
    observer: Observer
    killer: Killer
    checks: list
    removed: int

    @property
    def missing(self):
        """Failures of reading something that must be there."""
        return sum(
            1 for failure in self.ledger.failures if "bytes" in failure.what or " 404 " in failure.what
        )

    def passed(self):
        return not self.ledger.failures and all(check.holds for check in self.checks)


def play(cluster, options, ledger):
    """Until the time is over or the events are many enough; what is to be looked at afterwards."""
    stage = Stage(
        options.seed,
        [f"http://{server.address}" for server in cluster.servers],
        ledger,
        threading.Event(),
        options.pause,
    )
    authors = [Author(number, stage) for number in range(1, options.authors + 1)]
    trainers = Trainers(cluster, options.trainers, options.seed)
    killer = Killer(cluster, ledger, options.seed)
    try:
        for one in (*authors, killer):
            one.start()
        begun = time.monotonic()
        while time.monotonic() - begun < options.minutes * 60 and ledger.events() < options.events:
            time.sleep(1)
            if int(time.monotonic() - begun) % 30 == 0:
                print(
                    f"soak: {time.monotonic() - begun:.0f} s, {ledger.events()} events, "
                    f"{len(killer.kills)} kills, "
                    f"{len(ledger.failures)} failures",
                    flush=True,
                )
        stage.ending.set()
        for author in authors:
            author.join(timeout=900)
            if author.is_alive():
                ledger.fail(author.name, "did not come to its end", author.caller.story)
        trainers.end(ledger)
        seconds, events = time.monotonic() - begun, ledger.events()
        killer.ending.set()
        killer.join()
    finally:
        trainers.close()
    return authors, killer, seconds, events


def make_registry(cluster, ledger):
    entity, project = REGISTRY
    cluster.command("org", "create", "Acme", "--entity", entity, "--admin", ENTITY)
    caller = Caller([f"http://{cluster.servers[0].address}"], KEY, ledger, random.Random(0))
    caller.mutate(
        "upsertModel", entityName=entity, name=project, access="PRIVATE", allowAllArtifactTypesInRegistry=True
    )


def soak(options, folder):
    ledger = Ledger()
    cluster = Cluster(folder, variables(SETTINGS))
    observer = Observer(cluster)
    try:
        make_registry(cluster, ledger)
        observer.look()
        observer.start()
        authors, killer, seconds, events = play(cluster, options, ledger)
        print("soak: waiting until all is quiet", flush=True)
        if not cluster.change_settings(variables(AT_THE_END)):
            ledger.fail("cluster", "a worker did not end well")
        left = verdict.drain(cluster)
        print("soak: looking at everything", flush=True)
        looks = [threading.Thread(target=author.farewell) for author in authors]
        for look in looks:
            look.start()
        for look in looks:
            look.join()
        observer.ending.set()
        observer.join()
        observer.look()
        checks, removed = verdict.judge(cluster, options.seed, options.store_log)
        checks.insert(0, verdict.Check("all that was due is done", not left, str(left or "nothing is left")))
        version = cluster.command("--version").stdout.split()[-1]
    finally:
        cluster.discard()
    date = time.strftime("%Y-%m-%d", time.gmtime(ledger.begun))
    return Outcome(
        options.command,
        date,
        version,
        options.seed,
        seconds,
        events,
        ledger,
        observer,
        killer,
        checks,
        removed,
    )


def parse(arguments):
    parser = argparse.ArgumentParser(prog="scripts/soak.sh", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--minutes", type=float, default=None, help="how long it plays at most [3, or what --events take]"
    )
    parser.add_argument("--events", type=int, default=None, help="how many events it plays at most")
    parser.add_argument(
        "--seed", type=int, default=random.SystemRandom().getrandbits(32), help="of every choice"
    )
    parser.add_argument("--authors", type=int, default=6, help="threads that send the client's requests")
    parser.add_argument("--trainers", type=int, default=2, help="processes with the released client")
    parser.add_argument(
        "--pause", type=float, default=0.05, help="mean seconds between two actions of an author"
    )
    parser.add_argument("--report", type=pathlib.Path, help="where the report goes [the folder of the logs]")
    parser.add_argument("--store-log", required=True, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.minutes is None:
        options.minutes = 3 if options.events is None else 24 * 60
    if options.events is None:
        options.events = sys.maxsize
    options.command = "scripts/soak.sh " + " ".join(arguments[: arguments.index("--store-log")])
    return options


def main():
    options = parse(sys.argv[1:])
    # So that what was started is ended as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    folder = pathlib.Path(tempfile.mkdtemp(prefix="soak-"))
    print(f"soak: seed {options.seed}, logs in {folder}", flush=True)
    outcome = soak(options, folder)
    file = options.report or folder / "report.md"
    report.write(file, outcome)
    print(file.read_text())
    print(f"soak: {'passed' if outcome.passed() else 'FAILED'}; the report is {file}")
    sys.exit(not outcome.passed())


main()
