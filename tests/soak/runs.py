"""Runs of an author: lines, files, and every way to put them away and back."""

import dataclasses
import json
import time

import contents

# Live runs that an author has at most.
MOST_LIVE = 8
# Runs that are held until the end.
MOST_HELD = 2
LINES = 40

FIELDS = """run(name: $name) {
    id lifecycle historyLineCount history(minStep: 0, maxStep: 1000000000, samples: 1000000000)
    files(first: 100) { edges { node { name directUrl } } }
}"""


@dataclasses.dataclass(eq=False)
class Run:
    """A run as its author knows it."""

    name: str
    id: str
    lines: int = 0
    files: dict = dataclasses.field(default_factory=dict)
    ended: bool = False


class Runs:
    """What an author does with runs."""

    def __init__(self, author):
        self.author = author
        self.begun = 0
        self.live = []
        # With the time until which each can be had back for certain.
        self.archived = []
        self.held = []
        self.gone = []

    def actions(self):
        return [
            (6, self.begin),
            (14, self.write),
            (4, self.replace_file),
            (4, self.end),
            (8, self.read_one),
            (4, self.delete_one),
            (2, self.delete_many),
            (3, self.archive),
            (2, self.unarchive),
            (1, self.hold_one),
            (1, self.hold_for_good),
        ]

    def farewell(self):
        for run in [*self.live, *self.held]:
            yield lambda run=run: self.read(run)
        # Their time is over by now.
        for name in [run.name for run, _ in self.archived] + self.gone[-100:]:
            yield lambda name=name: self.must_be_gone(name)

    def path(self, run):
        return f"{self.author.entity}/{self.author.project}/{run.name}"

    def pick(self, when=lambda run: True):
        found = [run for run in self.live if when(run)]
        return self.author.rng.choice(found) if found else None

    def begin(self):
        if len(self.live) >= MOST_LIVE:
            return self.delete_one()
        self.begun += 1
        made = self.make(f"run-{self.begun}", self.author.project)
        self.live.append(made)
        self.write(made)
        for name, content in self.author.files(self.author.rng.randrange(1, 6)).items():
            self.put(made, name, content)

    def make(self, name, project):
        """A new run of a project."""
        input = {"entityName": self.author.entity, "modelName": project, "name": name}
        bucket = self.author.caller.mutate("upsertBucket", "bucket { id }", **input)["bucket"]
        return Run(name, bucket["id"])

    def write(self, run=None):
        run = run or self.pick(lambda run: not run.ended)
        if run is None:
            return self.begin()
        for _ in range(self.author.rng.randrange(2, 7)):
            lines = [self.line(run, number) for number in range(run.lines, run.lines + LINES)]
            history = {"offset": run.lines, "content": lines}
            self.author.caller.stream(self.path(run), files={"wandb-history.jsonl": history})
            run.lines += LINES

    def line(self, run, number):
        return json.dumps({"_step": number, "loss": 1 / (number + 1), "told": f"{run.name} {number}"})

    def end(self):
        run = self.pick(lambda run: not run.ended)
        if run:
            self.author.caller.stream(self.path(run), complete=True, exitcode=0)
            run.ended = True

    def replace_file(self):
        run = self.pick(lambda run: run.files)
        if run:
            name = self.author.rng.choice(list(run.files))
            self.put(run, name, contents.fresh(self.author.rng))

    def put(self, run, name, content, project=None):
        input = {
            "entityName": self.author.entity,
            "projectName": project or self.author.project,
            "runName": run.name,
            "files": [name],
        }
        made = self.author.caller.mutate("createRunFiles", "files { name uploadUrl }", **input)
        self.author.caller.put("put a run's file", made["files"][0]["uploadUrl"], content)
        run.files[name] = content

    def read_one(self):
        run = self.pick()
        if run:
            self.read(run)

    def read(self, run, project=None):
        """Every line and every file, as they were acknowledged."""
        found = self.author.ask_project("read a run", FIELDS, project, name=run.name)
        found = found and found["run"]
        self.author.must(found, f"run {run.name} is not there")
        self.author.must(
            found["historyLineCount"] == run.lines,
            f"run {run.name} counts {found['historyLineCount']} lines instead of {run.lines}",
        )
        expected = [json.loads(self.line(run, number)) for number in range(run.lines)]
        lines = [json.loads(line) for line in found["history"]]
        self.author.must(lines == expected, f"run {run.name} has other lines: {differing(lines, expected)}")
        urls = {edge["node"]["name"]: edge["node"]["directUrl"] for edge in found["files"]["edges"]}
        self.author.must(
            urls.keys() == run.files.keys(), f"run {run.name} lists {sorted(urls)}, not {sorted(run.files)}"
        )
        for name, content in run.files.items():
            got = self.author.caller.get("get a run's file", urls[name])
            self.author.must(got == content, f"{run.name}: {name} has other bytes")

    def must_be_gone(self, name, project=None):
        found = self.author.ask_project("look for a run", "run(name: $name) { id }", project, name=name)
        self.author.must(not found or found["run"] is None, f"deleted run {name} is there")

    def forget(self, run, with_versions):
        self.live.remove(run)
        if with_versions:
            self.author.versions.delete_those_of(run)

    def delete_one(self):
        run = self.pick()
        if run is None:
            return
        author, with_versions, begun = self.author, self.author.rng.random() < 0.7, time.time()
        author.caller.mutate(
            "deleteRun",
            "deletion { id }",
            {"NOT_FOUND", "RUN_DELETED"},
            id=run.id,
            deleteArtifacts=with_versions,
            reason="soak",
        )
        self.forget(run, with_versions)
        self.must_be_gone(run.name)
        if author.rng.random() < 0.4:
            author.stage.ending.wait(author.rng.random() * author.stage.trash * 0.8)
            if author.undo("restoreRun", begun + author.stage.trash, id=run.id):
                self.live.append(run)
                return self.read(run)
        self.gone.append(run.name)

    def delete_many(self):
        if len(self.live) < MOST_LIVE // 2:
            return
        runs = self.author.rng.sample(self.live, 3)
        self.author.caller.mutate(
            "deleteRuns",
            "task { id state refusedCount }",
            runs={"ids": [run.id for run in runs]},
            deleteArtifacts=True,
            reason="soak",
        )
        for run in runs:
            self.forget(run, True)
            self.must_be_gone(run.name)
            self.gone.append(run.name)

    def archive(self):
        run = self.pick(lambda run: run.ended)
        if run:
            begun = time.time()
            self.author.caller.mutate(
                "archiveRun", "clientMutationId", {"INVALID_STATE_TRANSITION"}, id=run.id
            )
            self.live.remove(run)
            self.archived.append((run, begun + self.author.stage.archive))

    def unarchive(self):
        if self.archived:
            run, until = self.archived.pop(0)
            if self.author.undo("unarchiveRun", until, id=run.id):
                self.live.append(run)
                self.read(run)
            else:
                self.gone.append(run.name)

    def hold_one(self):
        run = self.pick()
        if run:
            self.author.hold_for_a_moment("Run", run.id, "deleteRun", id=run.id)
            self.read(run)

    def hold_for_good(self):
        """Its time in the archive is over long before it is looked at."""
        run = self.pick(lambda run: run.ended)
        if run and len(self.held) < MOST_HELD:
            self.author.caller.mutate("holdRun", "hold { id }", id=run.id, reason="until the end")
            self.author.caller.mutate(
                "archiveRun", "clientMutationId", {"INVALID_STATE_TRANSITION"}, id=run.id
            )
            self.live.remove(run)
            self.held.append(run)


def differing(found, expected):
    """Where two lists of lines part."""
    for number, (one, other) in enumerate(zip(found, expected, strict=False)):
        if one != other:
            return f"line {number} is {one} instead of {other}"
    return f"{len(found)} lines instead of {len(expected)}"
