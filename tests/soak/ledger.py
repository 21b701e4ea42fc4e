"""What was acknowledged, how long it took, and what was not as it must be."""

import collections
import dataclasses
import json
import threading
import time


@dataclasses.dataclass
class Failure:
    """Something that must not be."""

    at: float
    who: str
    what: str
    story: list[str]


class Ledger:
    """Shared by all authors. An event is one operation that was answered with success."""

    def __init__(self):
        self.lock = threading.Lock()
        self.begun = time.time()
        self.milliseconds = collections.defaultdict(list)
        self.failures = []
        self.counts = collections.Counter()

    def event(self, kind, seconds):
        with self.lock:
            self.milliseconds[kind].append(seconds * 1000)

    def count(self, what, number=1):
        """Counts what is no event."""
        with self.lock:
            self.counts[what] += number

    def fail(self, who, what, story=(), at=None):
        with self.lock:
            self.failures.append(Failure(at or time.time(), who, what, list(story)))
        print(f"soak: FAILURE of {who}: {what[:500]}", flush=True)

    def events(self):
        with self.lock:
            return sum(len(times) for times in self.milliseconds.values())

    def read(self, file):
        """Adds what a process of its own has written down."""
        for line in file.read_text().splitlines():
            entry = json.loads(line)
            if "event" in entry:
                self.event(entry["event"], entry["seconds"])
            elif "count" in entry:
                self.count(entry["count"])
            else:
                self.fail(file.stem, entry["failure"], entry["story"], entry["at"])


class Diary:
    """What a process of its own writes down for the ledger, line by line."""

    def __init__(self, file):
        self.file = file.open("a", buffering=1)

    def write(self, **entry):
        self.file.write(json.dumps({"at": time.time(), **entry}) + "\n")
