"""Runs that are archived, deleted with a reason, and restored."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from wandb.apis import public

from counterweight import bulk
from counterweight._client import adopt, execute
from counterweight.bulk import Plan, Task
from counterweight.deletion import DELETION_FIELDS, RESTORE_RUN, Deletion

_ARCHIVE = "mutation ArchiveRun($id: ID!) { archiveRun(input: {id: $id}) { run { lifecycle } } }"
_UNARCHIVE = "mutation UnarchiveRun($id: ID!) { unarchiveRun(input: {id: $id}) { run { lifecycle } } }"
_DELETE = f"""
    mutation DeleteRun($id: ID!, $deleteArtifacts: Boolean, $reason: String, $plan: ID) {{
        deleteRun(input: {{id: $id, deleteArtifacts: $deleteArtifacts, reason: $reason, planId: $plan}}) {{
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

    def plan_delete(self, delete_artifacts: bool = False) -> Plan:
        """What deleting it would do."""
        return bulk.plan(self, {"ids": [self.storage_id]}, delete_artifacts, None)

    def delete(  # type: ignore[override]
        self, delete_artifacts: bool = False, reason: str | None = None, plan: Plan | None = None
    ) -> Deletion:
        """Deletes it, restorable until the deadline of the answer; with a plan, as it says or not at all."""
        wish = {"deleteArtifacts": plan.delete_artifacts if plan else delete_artifacts, "reason": reason}
        answer = execute(self, _DELETE, id=self.storage_id, plan=plan and plan.id, **wish)
        return Deletion.of(self, answer["deleteRun"]["deletion"])


class Runs(public.Runs):
    """Runs of a project, read page by page."""

    def convert_objects(self) -> list[Any]:
        return [adopt(run, Run) for run in super().convert_objects()]

    def _which(self) -> dict[str, Any]:
        return {"entityName": self.entity, "projectName": self.project, "filters": json.dumps(self.filters)}

    def plan_delete(self, delete_artifacts: bool = False, on_registry_link: str | None = None) -> Plan:
        """What deleting all of them would do."""
        return bulk.plan(self, self._which(), delete_artifacts, on_registry_link)

    def delete(
        self,
        delete_artifacts: bool = False,
        reason: str | None = None,
        plan: Plan | None = None,
        progress: Callable[[Task], None] | None = None,
    ) -> tuple[Deletion, Task]:
        """Deletes all of them by one deletion; with a plan, as it says or not at all. Answers the deletion, and the task with
        the runs that were refused."""
        return bulk.delete(self, self._which(), delete_artifacts, reason, plan, progress)

    def archive(self, progress: Callable[[Task], None] | None = None) -> Task:
        """Takes all of them out of the listings."""
        return bulk.change(self, "archiveRuns", self._which(), progress)
