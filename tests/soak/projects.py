"""Whole projects of an author, made to be deleted."""

import dataclasses
import time

# Such projects that an author has at most.
MOST_LIVE = 3


@dataclasses.dataclass(eq=False)
class Side:
    """A project with a run and a version."""

    name: str
    id: str
    run: object
    version: object


class Projects:
    """What an author does with whole projects."""

    def __init__(self, author):
        self.author = author
        self.begun = 0
        self.live = []
        self.gone = []

    def actions(self):
        return [(2, self.make), (2, self.delete)]

    def farewell(self):
        for side in self.live:
            yield lambda side=side: self.read(side)
        for name in self.gone[-50:]:
            yield lambda name=name: self.must_be_gone(name)

    def make(self):
        if len(self.live) >= MOST_LIVE:
            return self.delete()
        author = self.author
        self.begun += 1
        name = f"{author.project}-side-{self.begun}"
        run = author.runs.make("only", name)
        for path, content in author.files(4).items():
            author.runs.put(run, path, content, name)
        version = author.versions.log(name, "data", author.files(15), run)
        id = author.ask_project("look for a project", "id", name)["id"]
        self.live.append(Side(name, id, run, version))

    def read(self, side):
        self.author.runs.read(side.run, side.name)
        self.author.versions.read(side.version, all_files=True, project=side.name)

    def must_be_gone(self, name):
        found = self.author.ask_project("look for a project", "id", name)
        self.author.must(found is None, f"deleted project {name} is there")

    def delete(self):
        if not self.live:
            return
        author, side, begun = self.author, self.live.pop(0), time.time()
        author.caller.mutate("deleteModel", "success", {"NOT_FOUND"}, id=side.id, reason="soak")
        self.must_be_gone(side.name)
        if author.rng.random() < 0.5:
            author.stage.ending.wait(author.rng.random() * author.stage.trash * 0.8)
            if author.undo("restoreProject", begun + author.stage.trash, id=side.id):
                self.live.append(side)
                return self.read(side)
        self.gone.append(side.name)
