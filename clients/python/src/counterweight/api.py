"""`wandb.Api`, with deletion."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import wandb

from counterweight import bulk, storage
from counterweight._client import adopt, pages
from counterweight.bulk import Task
from counterweight.deletion import (
    PROJECT_DELETION_FIELDS,
    TRASHED_RUN_FIELDS,
    ProjectDeletion,
    TrashedRun,
)
from counterweight.projects import Project
from counterweight.runs import Run, Runs
from counterweight.storage import Storage

_PAGE_INFO = "pageInfo { hasNextPage endCursor }"
_TRASH = f"""
    query Trash($entity: String, $first: Int, $after: String) {{
        trash(entityName: $entity, first: $first, after: $after) {{
            edges {{ node {{ {TRASHED_RUN_FIELDS} }} }} {_PAGE_INFO}
        }}
    }}
"""
_PROJECT_TRASH = f"""
    query ProjectTrash($entity: String, $first: Int, $after: String) {{
        projectTrash(entityName: $entity, first: $first, after: $after) {{
            edges {{ node {{ {PROJECT_DELETION_FIELDS} }} }} {_PAGE_INFO}
        }}
    }}
"""


class Api(wandb.Api):
    """`wandb.Api` whose runs and projects can be archived, deleted with a reason, and restored."""

    def run(self, path: str = "") -> Run:
        """The run at entity/project/id."""
        return adopt(super().run(path), Run)

    def runs(self, *args: Any, **kwargs: Any) -> Runs:
        """Runs of a project, as `wandb.Api.runs`."""
        return adopt(super().runs(*args, **kwargs), Runs)

    def project(self, name: str, entity: str | None = None) -> Project:
        """The project of that name."""
        project = adopt(super().project(name, entity), Project)
        project._api = self
        return project

    def trash(self, entity: str | None = None) -> Iterator[TrashedRun]:
        """Deleted runs that can be restored, last deleted first; of all entities that you see, or of one."""
        return (TrashedRun.of(self, node) for node in pages(self, _TRASH, "trash", entity=entity))

    def project_trash(self, entity: str | None = None) -> Iterator[ProjectDeletion]:
        """Deleted projects that can be restored, last deleted first."""
        nodes = pages(self, _PROJECT_TRASH, "projectTrash", entity=entity)
        return (ProjectDeletion.of(self, node) for node in nodes)

    def restore_runs(
        self,
        project: str,
        entity: str | None = None,
        filters: dict[str, Any] | None = None,
        progress: Callable[[Task], None] | None = None,
    ) -> Task:
        """Brings back the runs of a project's trash that a filter means."""
        owner = entity or self.settings["entity"] or self.default_entity
        which = {"entityName": owner, "projectName": project, "filters": json.dumps(filters or {})}
        return bulk.change(self, "restoreRuns", which, progress)

    def storage(self, entity: str | None = None, project: str | None = None) -> Storage:
        """The bytes of an entity, or of a project; of your own entity where none is named."""
        return storage.usage(self, entity or self.settings["entity"] or self.default_entity, project, None)
