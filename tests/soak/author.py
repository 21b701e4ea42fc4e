"""Whoever logs, reads and deletes in a project of their own, by the client's requests, without the client."""

import random
import threading
import time

import contents
from caller import Caller, Refused
from projects import Projects
from runs import Runs
from versions import Versions

# After so many failures an author gives up: the rest would say the same.
MOST_FAILURES = 20
# How much earlier than a deadline a thing must still be there: clocks are read on both sides of a request.
MARGIN = 0.5


class Wrong(Exception):
    """What was found is not what was acknowledged."""


class Author(threading.Thread):
    """Plays one action after the other, and knows what must be there afterwards.

    Nobody else writes in its projects; what it shares with others is the content of files. Each kind of thing is
    a room of its own (`runs`, `versions`, `projects`) with its actions, and with a `farewell` that looks at all
    that is left.
    """

    def __init__(self, number, stage):
        super().__init__(name=f"author-{number}", daemon=True)
        self.stage = stage
        self.entity = stage.entity
        self.registry = stage.registry
        self.project = f"soak-{number}"
        self.rng = random.Random(f"{stage.seed} author {number}")
        self.ledger = stage.ledger
        self.caller = Caller(stage.servers, stage.key, stage.ledger, self.rng)
        self.actions = 0
        self.failures = 0
        self.runs = Runs(self)
        self.versions = Versions(self)
        self.projects = Projects(self)
        self.rooms = (self.runs, self.versions, self.projects)

    def run(self):
        weights, plays = zip(*(pair for room in self.rooms for pair in room.actions()), strict=True)
        self.attempt(self.runs.begin)
        while not self.stage.ending.is_set() and self.failures < MOST_FAILURES:
            (play,) = self.rng.choices(plays, weights)
            self.attempt(play)
            self.actions += 1
            self.stage.rest(self.rng)

    def farewell(self):
        """Looks at everything that must be there, and for everything that must not."""
        for room in self.rooms:
            for look in room.farewell():
                self.attempt(look)

    def attempt(self, play):
        try:
            play()
        except Exception as error:
            self.failures += 1
            what = f"{getattr(play, '__qualname__', play)}: {type(error).__name__}: {error}"
            self.ledger.fail(self.name, what, self.caller.story)

    def files(self, count):
        """Contents of a version or a run, some of them also written by others."""
        return contents.files(self.rng, self.actions // 2, count)

    def ask_project(self, kind, fields, project=None, entity=None, **variables):
        """Fields of a project, of this author's own where none is named; or None. `variables` are strings."""
        declared = "".join(f", ${name}: String!" for name in variables)
        query = f"""query ($entity: String, $project: String{declared}) {{
            project(entityName: $entity, name: $project) {{ {fields} }}
        }}"""
        where = {"entity": entity or self.entity, "project": project or self.project}
        return self.caller.graphql(kind, query, **where, **variables)["project"]

    def must(self, holds, what):
        if not holds:
            raise Wrong(what)

    def refused(self, code, name, /, **values):
        """That a mutation is refused, with this code."""
        try:
            self.caller.mutate(name, **values)
        except Refused as refusal:
            self.must(refusal.code == code, f"{name} was refused with {refusal}, not with {code}")
        else:
            raise Wrong(f"{name} was not refused with {code}: {values}")

    def undo(self, name, until, /, **values):
        """Takes a deletion back; whether it could be. It may be too late only from `until` on."""
        try:
            self.caller.mutate(
                name, "clientMutationId", {"INVALID_STATE_TRANSITION", "DELETION_ENDED"}, **values
            )
        except Refused as refusal:
            late = refusal.code in {"DEADLINE_PASSED", "NOT_FOUND", "RUN_DELETED", "INVALID_STATE_TRANSITION"}
            self.must(
                late and time.time() >= until - MARGIN, f"{name} {until - time.time():.1f} s early: {refusal}"
            )
            return False
        return True

    def hold_for_a_moment(self, kind, held, verb, /, **values):
        """Holds a thing; what deletes it is refused as long, and no longer."""
        made = self.caller.mutate(f"hold{kind}", "hold { id }", id=held, reason="for a moment")
        self.refused("HELD", verb, **values)
        self.caller.mutate("releaseHold", id=made["hold"]["id"])
