"""Runs that are archived, deleted with a reason, and restored."""

from __future__ import annotations

from typing import Any

from wandb.apis import public

from counterweight._client import adopt, execute
from counterweight.deletion import DELETION_FIELDS, RESTORE_RUN, Deletion

_ARCHIVE = "mutation ArchiveRun($id: ID!) { archiveRun(input: {id: $id}) { run { lifecycle } } }"
_UNARCHIVE = "mutation UnarchiveRun($id: ID!) { unarchiveRun(input: {id: $id}) { run { lifecycle } } }"
_DELETE = f"""
    mutation DeleteRun($id: ID!, $deleteArtifacts: Boolean, $reason: String) {{
        deleteRun(input: {{id: $id, deleteArtifacts: $deleteArtifacts, reason: $reason}}) {{
            deletion {{ {DELETION_FIELDS} }}
        }}
    }}
"""


class Run(public.Run):
    """A run, as `wandb.Api` has it, that can be archived and restored."""

    def archive(self) -> None:
        """Takes it out of the listings. It stays reachable by name, and is deleted when its archive period is over."""
        execute(self, _ARCHIVE, id=self.storage_id)

    def unarchive(self) -> None:
        """Lists it again."""
        execute(self, _UNARCHIVE, id=self.storage_id)

    def restore(self) -> None:
        """Brings it back from the trash or the archive, exactly as it was but for artifacts deleted with it."""
        execute(self, RESTORE_RUN, id=self.storage_id)

    def delete(self, delete_artifacts: bool = False, reason: str | None = None) -> Deletion:  # type: ignore[override]
        """Deletes it, restorable until the deadline of the answer."""
        answer = execute(self, _DELETE, id=self.storage_id, deleteArtifacts=delete_artifacts, reason=reason)
        return Deletion.of(self, answer["deleteRun"]["deletion"])


class Runs(public.Runs):
    """Runs of a project, read page by page."""

    def convert_objects(self) -> list[Any]:
        return [adopt(run, Run) for run in super().convert_objects()]
