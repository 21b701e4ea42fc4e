"""`wandb.Api`, with deletion."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import wandb

from counterweight._client import adopt, pages
from counterweight.deletion import (
    PROJECT_DELETION_FIELDS,
    TRASHED_RUN_FIELDS,
    ProjectDeletion,
    TrashedRun,
)
from counterweight.projects import Project
from counterweight.runs import Run, Runs

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
