"""What was deleted, until when it can be brought back, and by which call."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from counterweight._client import execute

DELETION_FIELDS = "id state reason requestedAt purgeAfter runCount artifactCount fileCount fileBytes"
PROJECT_DELETION_FIELDS = "id projectId entityName projectName state reason requestedAt purgeAfter runCount"
TRASHED_RUN_FIELDS = "id name displayName purgeAfter project { name entityName }"

RESTORE_RUN = "mutation RestoreRun($id: ID!) { restoreRun(input: {id: $id}) { run { id } } }"
RESTORE_DELETION = "mutation RestoreDeletion($id: ID!) { restoreDeletion(input: {id: $id}) { deletion { state } } }"
RESTORE_PROJECT = """
    mutation RestoreProject($id: ID!, $name: String) {
        restoreProject(input: {id: $id, name: $name}) { project { name } }
    }
"""


def moment(text: str) -> datetime:
    """A time of the server, in UTC."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


@dataclass(frozen=True)
class Deletion:
    """Deleted runs, and perhaps what they logged."""

    id: str
    state: str
    """`PENDING`, `RESTORED`, `PURGED`, or `VOID` where nothing was deleted."""
    reason: str | None
    requested_at: datetime
    deadline: datetime
    """Until when they can be restored."""
    runs: int
    artifacts: int
    files: int
    bytes: int
    """Of its files."""
    _api: Any = field(repr=False, compare=False)

    @classmethod
    def of(cls, api: Any, node: dict[str, Any]) -> Deletion:
        return cls(
            id=node["id"],
            state=node["state"],
            reason=node["reason"],
            requested_at=moment(node["requestedAt"]),
            deadline=moment(node["purgeAfter"]),
            runs=int(node["runCount"]),
            artifacts=int(node["artifactCount"]),
            files=int(node["fileCount"]),
            bytes=int(node["fileBytes"]),
            _api=api,
        )

    def restore(self) -> None:
        """Brings back everything of it, exactly as it was but for artifacts. Of more than 200 runs, see `Api.restore_runs`."""
        execute(self._api, RESTORE_DELETION, id=self.id)


@dataclass(frozen=True)
class ProjectDeletion:
    """A deleted project, with all its runs."""

    id: str
    project_id: str
    entity: str
    project: str
    state: str
    reason: str | None
    requested_at: datetime
    deadline: datetime
    """Until when the project can be restored."""
    runs: int
    _api: Any = field(repr=False, compare=False)

    @classmethod
    def of(cls, api: Any, node: dict[str, Any]) -> ProjectDeletion:
        return cls(
            id=node["id"],
            project_id=node["projectId"],
            entity=node["entityName"],
            project=node["projectName"],
            state=node["state"],
            reason=node["reason"],
            requested_at=moment(node["requestedAt"]),
            deadline=moment(node["purgeAfter"]),
            runs=int(node["runCount"]),
            _api=api,
        )

    def restore(self, name: str | None = None) -> str:
        """Brings the project back under its name, or another where that is taken; answers the name."""
        answer = execute(self._api, RESTORE_PROJECT, id=self.project_id, name=name)
        restored: str = answer["restoreProject"]["project"]["name"]
        return restored


@dataclass(frozen=True)
class TrashedRun:
    """A run in the trash."""

    storage_id: str
    entity: str
    project: str
    id: str
    name: str
    """The pretty one."""
    deadline: datetime
    """Until when it can be restored."""
    _api: Any = field(repr=False, compare=False)

    @classmethod
    def of(cls, api: Any, node: dict[str, Any]) -> TrashedRun:
        return cls(
            storage_id=node["id"],
            entity=node["project"]["entityName"],
            project=node["project"]["name"],
            id=node["name"],
            name=node["displayName"],
            deadline=moment(node["purgeAfter"]),
            _api=api,
        )

    @property
    def path(self) -> list[str]:
        """Where it was: entity, project, run id."""
        return [self.entity, self.project, self.id]

    def restore(self) -> None:
        """Brings it back, exactly as it was but for artifacts that were deleted with it."""
        execute(self._api, RESTORE_RUN, id=self.storage_id)
