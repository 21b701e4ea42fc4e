"""How many bytes there are, and of what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from counterweight._client import execute

_USAGE = """
    query StorageUsage($entity: String, $project: String, $run: ID) {
        storageUsage(entityName: $entity, projectName: $project, run: $run) {
            totalBytes liveBytes archivedBytes trashBytes reclaimableBytes sharedBytes databaseBytes
        }
    }
"""


@dataclass(frozen=True)
class Storage:
    """Bytes of an entity, a project or a run."""

    total: int
    live: int
    archived: int
    trash: int
    """Of what can be restored."""
    reclaimable: int
    """Of what is deleted for good and not yet removed."""
    shared: int
    """Those of the total that more than one run or version of an artifact refers to."""
    database: int
    """Those of the total that are in the database, and not yet in the bucket."""


def usage(api: Any, entity: str | None, project: str | None, run: str | None) -> Storage:
    """The bytes of an entity, a project or a run."""
    node = execute(api, _USAGE, entity=entity, project=project, run=run)["storageUsage"]
    if node is None:
        raise ValueError(f"Could not find {'/'.join(part for part in (entity, project, run) if part)}")
    return Storage(**{name[: -len("Bytes")]: int(value) for name, value in node.items()})
