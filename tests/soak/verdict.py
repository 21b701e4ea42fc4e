"""When all is quiet: bucket, database, ledger and records must tell the same."""

import dataclasses
import json
import pathlib
import random
import re
import time

import httpx

from server import KEY

# Receipts that are exported and verified one by one.
RECEIPTS = 100
# What a drained cluster has none of.
OPEN = {
    "objects in their grace": "SELECT count(*) FROM blob WHERE state <> 'live'",
    "runs that may still write": "SELECT count(*) FROM run WHERE state = 'running' AND lifecycle = 'live'",
    "runs in the trash": "SELECT count(*) FROM run WHERE lifecycle = 'deleted'",
    "projects in the trash": "SELECT count(*) FROM project WHERE state = 'deleted'",
    "deletions that have not ended": "SELECT count(*) FROM deletion WHERE ended_at IS NULL",
    "receipts that are not issued": "SELECT count(*) FROM receipt WHERE issued_at IS NULL",
}
# Those that are not done, without what workers do again and again.
PERIODIC = ["apply_retention", "expire_artifacts", "crash_stale_runs", "collect", "seal_audit", "prune_jobs"]
JOBS = f"""SELECT kind, count(*) FROM job
    WHERE state <> 'done' AND kind NOT IN ({", ".join(repr(kind) for kind in PERIODIC)}) GROUP BY kind"""
USAGE = "query ($entity: String) { storageUsage(entityName: $entity) { totalBytes databaseBytes } }"


@dataclasses.dataclass
class Check:
    """A question about the end, and its answer."""

    what: str
    holds: bool
    found: str


def drain(cluster, within=600):
    """Waits until nothing is under way; what still is then."""
    deadline = time.monotonic() + within
    while True:
        left = {what: cluster.rows(sql)[0][0] for what, sql in OPEN.items()}
        left |= {f"jobs: {kind}": count for kind, count in cluster.rows(JOBS)}
        left["objects that nothing refers to"] = to_collect(cluster)
        left = {what: count for what, count in left.items() if count}
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(2)


def to_collect(cluster):
    said = cluster.command("gc", "--dry-run").stdout.splitlines()[-1]
    would, now = re.search(r": (\d+) would become unreachable, and (\d+) objects", said).groups()
    return int(would) + int(now)


def judge(cluster, seed, store_log):
    """All checks, in order; and how many objects were removed."""
    objects = cluster.objects()
    removed, audit = audit_chain(cluster)
    checks = [
        fsck(cluster, objects),
        bucket(cluster, objects),
        figures(cluster, objects),
        audit,
        uploads(cluster, objects, removed, store_log),
        receipts(cluster, random.Random(f"{seed} receipts")),
        internal_errors(cluster),
    ]
    return checks, len(removed)


def fsck(cluster, objects):
    done = cluster.command("fsck", "--digests", "--json", check=False)
    lines = done.stdout.splitlines()
    summary = json.loads(lines[-1])["summary"] if lines else done.stderr
    holds = done.returncode == 0 and summary["objects"] == len(objects)
    return Check(
        "`counterweight fsck --digests` exits with 0", holds, f"exit code {done.returncode}: {summary}"
    )


def bucket(cluster, objects):
    """The listing of the bucket beside the rows of the database."""
    rows = dict(cluster.rows("SELECT object_key, size_bytes FROM blob"))
    missing, unknown = rows.keys() - objects.keys(), objects.keys() - rows.keys()
    sizes = [key for key in rows.keys() & objects.keys() if rows[key] != objects[key]]
    found = (
        f"{len(objects)} objects, {len(rows)} rows: {len(missing)} missing, {len(unknown)} unknown, "
        f"{len(sizes)} of another size"
    )
    return Check("the bucket lists what the database knows", not (missing or unknown or sizes), found)


def figures(cluster, objects):
    url = f"http://{cluster.servers[0].address}/graphql"
    headers = {"Use-Admin-Privileges": "true"}
    told = 0
    for (entity,) in cluster.rows("SELECT name FROM entity"):
        body = {"query": USAGE, "variables": {"entity": entity}}
        answer = httpx.post(url, json=body, headers=headers, auth=("api", KEY), timeout=60).json()
        usage = answer["data"]["storageUsage"]
        told += int(usage["totalBytes"]) - int(usage["databaseBytes"])
    listed = sum(objects.values())
    return Check("storage figures equal the bucket", told == listed, f"told {told} bytes, listed {listed}")


def audit_chain(cluster):
    """The objects that were removed, by the chain; and whether it fits together."""
    chain = cluster.folder / "chain.jsonl"
    chain.write_text(cluster.command("audit", "export").stdout)
    entries = [json.loads(line) for line in chain.read_text().splitlines()]
    removed = {entry["path"] for entry in entries if entry.get("action") == "remove"}
    done = cluster.command("audit", "verify", str(chain), check=False)
    said = (done.stdout or done.stderr).strip()
    return removed, Check("`counterweight audit verify`", done.returncode == 0, said)


def uploads(cluster, objects, removed, store_log):
    """Every key that the store was ever given is there still, or its removal is in the chain."""
    name = re.escape(cluster.store.url.rsplit("/", 1)[1])
    stored = re.compile(rf'"(?:PUT|POST) /{name}/(blobs/[0-9a-f]{{2}}/[^ ?"]+)(?:\?[^ "]*)? HTTP[^"]*" 200')
    given = set()
    with pathlib.Path(store_log).open() as log:
        for line in log:
            given.update(stored.findall(line))
    lost, unexplained = removed & objects.keys(), given - removed - objects.keys()
    found = (
        f"{len(given)} were stored, {len(objects)} are there, {len(given & removed)} removed, "
        f"{len(unexplained)} gone without an entry"
    )
    return Check(
        "what the store was given is there or its removal is on record", not (lost or unexplained), found
    )


def receipts(cluster, rng):
    issued = [
        id
        for (id,) in cluster.rows(
            "SELECT deletion_id FROM receipt WHERE issued_at IS NOT NULL ORDER BY deletion_id"
        )
    ]
    wrong, sample = [], rng.sample(issued, min(RECEIPTS, len(issued)))
    for id in sample:
        file = cluster.folder / "receipt.jsonl"
        file.write_text(cluster.command("receipt", "export", id).stdout)
        if cluster.command("receipt", "verify", str(file), check=False).returncode:
            wrong.append(id)
    found = f"{len(issued)} issued; {len(sample)} verified, wrong: {wrong or 'none'}"
    return Check("`counterweight receipt verify`", bool(issued) and not wrong, found)


def internal_errors(cluster):
    """What processes wrote down as errors of their own. What was unavailable was asked for again."""
    errors = [
        f"{member.name}: {line.strip()[:300]}"
        for member in cluster.members
        for line in member.log.read_text().splitlines()
        if re.search(r'"level":"ERROR"|panicked', line) and '"code":"UNAVAILABLE"' not in line
    ]
    return Check("no process logged an error", not errors, "; ".join(errors[:20]) or "none")
