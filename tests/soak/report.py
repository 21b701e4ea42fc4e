"""What a soak found, as Markdown."""

import os
import statistics
import time

from cluster import PAUSE

# What Quay's collector went through: three hours, with these counts.
QUAY = {"minutes": 180, "events": 104_135, "passes": 481, "removed": 43_956, "missing": 40}

HEAD = """\
# Soak

Two servers and two workers over one PostgreSQL and one S3 (moto); the released `wandb` client, and authors that send
its requests without it; a random process killed with `kill -9` every {pause[0]} to {pause[1]} s. Then everything is compared. Made by

    {command}

on {date} with Counterweight {version} on {machine}, seed {seed}.

**{verdict}**: {failures} failures while it ran, {failed} of {checks} checks failed at the end.

| | this soak | Quay's, published |
|---|---:|---:|
| length, minutes | {minutes:.1f} | {quay[minutes]} |
| events | {events:,} | {quay[events]:,} |
| passes of the collector that came to their end | {passes:,} | {quay[passes]:,} |
| objects removed from the bucket | {removed:,} | {quay[removed]:,} |
| missing objects that a client saw | {missing} | {quay[missing]} |
| processes killed | {kills:,} | |

An event is one operation that was answered with success: a request of an author, or a call of the client. An object
is removed once its entry is in the audit chain, which is compared with what the store was given and what it lists.

## At the end
"""


def write(file, outcome):
    file.write_text("\n".join(lines(outcome)) + "\n")


def lines(outcome):
    ledger, observer = outcome.ledger, outcome.observer
    yield HEAD.format(
        command=outcome.command,
        date=outcome.date,
        version=outcome.version,
        machine=machine(),
        seed=outcome.seed,
        verdict="Passed" if outcome.passed() else "FAILED",
        failures=len(ledger.failures),
        failed=sum(1 for check in outcome.checks if not check.holds),
        checks=len(outcome.checks),
        minutes=outcome.seconds / 60,
        events=outcome.events,
        passes=len(observer.passes),
        removed=outcome.removed,
        missing=outcome.missing,
        kills=len(outcome.killer.kills),
        quay=QUAY,
        pause=PAUSE,
    )
    for check in outcome.checks:
        yield f"- {'holds' if check.holds else '**does not hold**'}: {check.what} ({check.found})"
    yield from operations(outcome)
    yield from processes(outcome)
    if ledger.failures:
        yield from failures(ledger)


def operations(outcome):
    ledger = outcome.ledger
    yield "\n## Events\n"
    yield "| event | number | median, ms | p99, ms |"
    yield "|---|---:|---:|---:|"
    for kind, times in sorted(ledger.milliseconds.items(), key=lambda pair: -len(pair[1])):
        p99 = sorted(times)[int(len(times) * 0.99)]
        yield f"| {kind} | {len(times):,} | {statistics.median(times):.1f} | {p99:.1f} |"
    events, removed = outcome.events / outcome.seconds, outcome.removed / outcome.seconds
    looks = ledger.events() - outcome.events
    yield f"\n{looks:,} of them are the last look at everything, which is not counted above. Before it there were"
    yield f"{events:.0f} events and {removed:.0f} removed objects a second. Besides:\n"
    for what, number in sorted(ledger.counts.items()):
        yield f"- {what}: {number:,}"


def processes(outcome):
    observer = outcome.observer
    yield "\n## Processes\n"
    yield "| process | killed | MiB at the start | MiB at the end | MiB at most |"
    yield "|---|---:|---:|---:|---:|"
    for name in sorted(observer.first):
        killed = sum(1 for _, killed in outcome.killer.kills if killed == name)
        sizes = (observer.first[name], observer.last[name], observer.most[name])
        yield f"| {name} | {killed} | " + " | ".join(f"{size / 2**20:.0f}" for size in sizes) + " |"
    yield f"\nThe bucket had up to {observer.most_objects:,} objects at a time."


def failures(ledger):
    yield "\n## Failures"
    for failure in ledger.failures[:50]:
        clock = time.strftime("%H:%M:%S", time.gmtime(failure.at))
        yield f"\n### {clock} {failure.who}: {failure.what[:2000]}\n"
        yield from (f"    {line}" for line in failure.story[-25:])


def machine():
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return f"{os.cpu_count()} cores with {memory / 2**30:.0f} GiB, everything on the one machine"
