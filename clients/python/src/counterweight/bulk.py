"""Many runs at once: what would happen, what is happening, what came of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from counterweight._client import execute
from counterweight.deletion import DELETION_FIELDS, Deletion

TASK_FIELDS = "id state matchedCount changedCount refusedCount refused { name reason }"

_PLAN = """
    query DeletionPlan($runs: RunsInput!, $deleteArtifacts: Boolean, $onRegistryLink: OnRegistryLink) {
        deletionPlan(runs: $runs, deleteArtifacts: $deleteArtifacts, onRegistryLink: $onRegistryLink) {
            id runCount artifactCount linkCount fileCount bytesFreed bytesKept
            links { path aliases kept } obstacleCount obstacles { name code reason }
        }
    }
"""
_DELETE = f"""
    mutation DeleteRuns($input: DeleteRunsInput!) {{
        deleteRuns(input: $input) {{ task {{ {TASK_FIELDS} }} deletion {{ {DELETION_FIELDS} }} }}
    }}
"""
_TASK = f"query BulkTask($id: ID!) {{ bulkTask(id: $id) {{ {TASK_FIELDS} }} }}"
_CHANGES = {
    verb: f"""
        mutation Change($input: {verb[0].upper()}{verb[1:]}Input!) {{
            {verb}(input: $input) {{ task {{ {TASK_FIELDS} }} }}
        }}
    """
    for verb in ["archiveRuns", "restoreRuns"]
}


@dataclass(frozen=True)
class Plan:
    """What a deletion would do. Nothing was done."""

    id: str
    """Stands for the state that was seen: a deletion that is given the plan does this or nothing."""
    runs: int
    artifacts: int
    links: list[dict[str, Any]]
    """The first hundred places of these artifacts: `path`, `aliases`, and whether it is `kept`."""
    files: int
    bytes_freed: int
    bytes_kept: int
    """What stays, since something else refers to it."""
    obstacles: list[dict[str, Any]]
    """The first hundred things that keep runs from being deleted: `name`, `code`, `reason`."""
    delete_artifacts: bool
    on_registry_link: str | None


@dataclass(frozen=True)
class Task:
    """A change to many runs, as it stood when it was asked for."""

    id: str
    state: str
    """`UNDERWAY`, `PAUSED`, `COMPLETE`, `CANCELLED` or `STOPPED`."""
    matched: int
    changed: int
    refused: int
    reasons: dict[str, str]
    """Why runs were left as they are: the first hundred, by run id."""
    _api: Any = field(repr=False, compare=False)

    @classmethod
    def of(cls, api: Any, node: dict[str, Any]) -> Task:
        return cls(
            id=node["id"],
            state=node["state"],
            matched=int(node["matchedCount"]),
            changed=int(node["changedCount"]),
            refused=int(node["refusedCount"]),
            reasons={run["name"]: run["reason"] for run in node["refused"]},
            _api=api,
        )

    @property
    def ended(self) -> bool:
        """Whether nothing more is to come."""
        return self.state in ("COMPLETE", "CANCELLED", "STOPPED")

    def wait(self, progress: Callable[[Task], None] | None = None, every: float = 0.5) -> Task:
        """Asks until it has ended, and tells `progress` each time; answers it as it ended."""
        task = self
        while True:
            if progress:
                progress(task)
            if task.ended:
                return task
            time.sleep(every)
            task = Task.of(self._api, execute(self._api, _TASK, id=self.id)["bulkTask"])


def plan(api: Any, runs: dict[str, Any], delete_artifacts: bool, on_registry_link: str | None) -> Plan:
    """What deleting these runs would do."""
    wish = {"deleteArtifacts": delete_artifacts, "onRegistryLink": on_registry_link}
    node = execute(api, _PLAN, runs=runs, **wish)["deletionPlan"]
    return Plan(
        id=node["id"],
        runs=int(node["runCount"]),
        artifacts=int(node["artifactCount"]),
        links=node["links"],
        files=int(node["fileCount"]),
        bytes_freed=int(node["bytesFreed"]),
        bytes_kept=int(node["bytesKept"]),
        obstacles=node["obstacles"],
        delete_artifacts=delete_artifacts,
        on_registry_link=on_registry_link,
    )


def delete(
    api: Any,
    runs: dict[str, Any],
    delete_artifacts: bool,
    reason: str | None,
    plan: Plan | None,
    progress: Callable[[Task], None] | None,
) -> tuple[Deletion, Task]:
    """Deletes runs, all by one deletion, and waits until the last is deleted or refused."""
    wish: dict[str, Any] = {"runs": runs, "deleteArtifacts": delete_artifacts, "reason": reason}
    if plan:
        wish.update(planId=plan.id, deleteArtifacts=plan.delete_artifacts, onRegistryLink=plan.on_registry_link)
    begun = execute(api, _DELETE, input={name: value for name, value in wish.items() if value is not None})
    task = Task.of(api, begun["deleteRuns"]["task"]).wait(progress)
    return Deletion.of(api, begun["deleteRuns"]["deletion"]), task


def change(api: Any, verb: str, runs: dict[str, Any], progress: Callable[[Task], None] | None) -> Task:
    """Archives or restores runs, and waits until the last is changed or refused."""
    begun = execute(api, _CHANGES[verb], input={"runs": runs})
    return Task.of(api, begun[verb]["task"]).wait(progress)
