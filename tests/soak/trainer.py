"""The released client, as a script that trains, looks at what it has, and tidies up, round by round.

trainer.py FOLDER DIARY ENDING REGISTRY NUMBER SEED    until the file ENDING exists
"""

import pathlib
import random
import shutil
import sys
import time
import traceback

import requests
import wandb

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "sdk"))

import contents
from client import ApiFailed
from ledger import Diary

ENTITY = "admin"
# Versions and runs that are kept.
MOST = 6
LINES = 100
# What the client raises where a server went away under it; the call is made again.
PASSING = (requests.RequestException, wandb.errors.CommError, ApiFailed)
ATTEMPTS = 6


class Wrong(Exception):
    """What was found is not what was acknowledged."""


class Trainer:
    """A project that nobody else writes in."""

    def __init__(self, folder, diary, registry, number, seed):
        self.folder = pathlib.Path(folder)
        self.diary = Diary(pathlib.Path(diary))
        self.registry = registry
        self.project = f"trainer-{number}"
        self.rng = random.Random(f"{seed} trainer {number}")
        self.rounds = 0
        # By version: its run and its files. By run: the file that it saved.
        self.versions = {}
        self.saved = {}

    def event(self, kind, act):
        """What `act` gives, once it gives something."""
        for attempt in range(ATTEMPTS):
            begun = time.monotonic()
            try:
                found = act()
            except PASSING as error:
                if attempt + 1 == ATTEMPTS:
                    raise
                self.diary.write(count=f"client called again after {type(error).__name__}")
                time.sleep(1 + attempt)
            else:
                self.diary.write(event=f"client: {kind}", seconds=time.monotonic() - begun)
                return found

    def must(self, holds, what):
        if not holds:
            raise Wrong(what)

    def round(self):
        self.rounds += 1
        self.train(f"run-{self.rounds}")
        self.look()
        self.tidy_up()

    def train(self, name):
        source = self.folder / "source"
        shutil.rmtree(source, ignore_errors=True)
        files = contents.files(self.rng, self.rounds * 20, self.rng.randrange(50, 120))
        for path, content in files.items():
            file = source / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        run = self.event(
            "init", lambda: wandb.init(project=self.project, id=name, config={"round": self.rounds})
        )
        for step in range(LINES):
            run.log({"loss": 1 / (step + 1), "told": f"{name} {step}"})
        saved = contents.fresh(self.rng)
        (self.folder / "model.bin").write_bytes(saved)
        run.save(str(self.folder / "model.bin"), base_path=str(self.folder), policy="now")
        artifact = wandb.Artifact("data", "dataset")
        artifact.add_dir(str(source), skip_cache=True, policy="immutable")
        self.event("log_artifact", lambda: run.log_artifact(artifact).wait(timeout=600))
        self.versions[artifact.version] = (name, files)
        used = self.rng.choice(list(self.versions))
        self.download(self.event("use_artifact", lambda: run.use_artifact(f"data:{used}")), used)
        if self.rng.random() < 0.5:
            self.event(
                "link_artifact", lambda: run.link_artifact(artifact, f"{self.registry}/{self.project}")
            )
        self.event("finish", run.finish)
        self.saved[name] = saved

    def download(self, artifact, version):
        # From the server, not from the client's cache. `skip_cache` would do, but loses files: its threads share the
        # place that each writes to.
        root = self.folder / "back"
        for known in (root, self.folder / "cache"):
            shutil.rmtree(known, ignore_errors=True)
        self.event("download", lambda: artifact.download(root=str(root)))
        files = self.versions[version][1]
        got = {str(file.relative_to(root)): file.read_bytes() for file in root.rglob("*") if file.is_file()}
        lacking = sorted(files.keys() - got.keys())
        self.must(not lacking, f"data:{version} has {len(got)} of {len(files)} files, and not {lacking}")
        wrong = [path for path in files if got[path] != files[path]]
        self.must(not wrong, f"data:{version} has other bytes in {wrong}")

    def look(self):
        """One run that is kept, and one version: all that was acknowledged."""
        api, name = wandb.Api(timeout=60), self.rng.choice(list(self.saved))
        run = self.event("Api.run", lambda: api.run(f"{ENTITY}/{self.project}/{name}"))
        rows = self.event("scan_history", lambda: list(run.scan_history(keys=["told"])))
        told = [row["told"] for row in rows]
        self.must(
            told == [f"{name} {step}" for step in range(LINES)],
            f"run {name} has {len(told)} lines of {LINES}",
        )
        root = str(self.folder / "file")
        with self.event("File.download", lambda: run.file("model.bin").download(root=root, replace=True)):
            got = pathlib.Path(root, "model.bin").read_bytes()
        self.must(got == self.saved[name], f"run {name} has another model.bin")
        version = self.rng.choice(list(self.versions))
        path = f"{ENTITY}/{self.project}/data:{version}"
        self.download(self.event("Api.artifact", lambda: api.artifact(path)), version)

    def tidy_up(self):
        """Deletes versions by themselves, and runs with what they made."""
        api = wandb.Api(timeout=60)
        while len(self.versions) > MOST:
            version = self.rng.choice(list(self.versions))
            path = f"{ENTITY}/{self.project}/data:{version}"
            found = self.event("Api.artifact", lambda path=path: api.artifact(path))
            self.delete(
                "Artifact.delete",
                lambda found=found: found.delete(delete_aliases=True),
                lambda path=path: wandb.Api(timeout=60).artifact(path),
            )
            del self.versions[version]
        while len(self.saved) > MOST:
            name = self.rng.choice(list(self.saved))
            path = f"{ENTITY}/{self.project}/{name}"
            run = self.event("Api.run", lambda path=path: api.run(path))
            self.delete(
                "Run.delete",
                lambda run=run: run.delete(delete_artifacts=True),
                lambda path=path: wandb.Api(timeout=60).run(path),
            )
            del self.saved[name]
            self.versions = {version: made for version, made in self.versions.items() if made[0] != name}

    def delete(self, kind, delete, find):
        """Deletes, and sees that it is gone. A call that was cut off may have done it."""
        self.event(kind, lambda: delete() if exists(find) else None)
        self.must(not self.event("look for it", lambda: exists(find)), f"{kind}: what was deleted is there")


def exists(find):
    try:
        find()
    except Exception as error:
        if any(words in str(error).lower() for words in ("not find", "not found")):
            return False
        raise
    return True


def main(folder, diary, ending, registry, number, seed):
    trainer = Trainer(folder, diary, registry, number, seed)
    failures = 0
    while not pathlib.Path(ending).exists() and failures < 5:
        try:
            trainer.round()
        except Exception as error:
            failures += 1
            story = traceback.format_exc().splitlines()
            trainer.diary.write(
                failure=f"round {trainer.rounds}: {type(error).__name__}: {error}", story=story
            )
            if wandb.run:
                wandb.finish(exit_code=1)
    if trainer.saved and trainer.versions:
        trainer.look()
    wandb.teardown()


main(*sys.argv[1:])
