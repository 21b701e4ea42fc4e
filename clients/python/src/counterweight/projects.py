"""Projects: their runs, and their deletion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wandb.apis import public

from counterweight._client import execute
from counterweight.deletion import PROJECT_DELETION_FIELDS, ProjectDeletion

if TYPE_CHECKING:
    from counterweight.api import Api
    from counterweight.runs import Runs

_ID = "query ProjectId($entity: String, $name: String) { project(entityName: $entity, name: $name) { id } }"
_DELETE = f"""
    mutation DeleteProject($id: String!, $reason: String) {{
        deleteModel(input: {{id: $id, reason: $reason}}) {{ deletion {{ {PROJECT_DELETION_FIELDS} }} }}
    }}
"""


class Project(public.Project):
    """A project, as `wandb.Api` has it, that knows its runs and can be deleted."""

    _api: Api

    def runs(self, filters: dict[str, Any] | None = None, order: str = "+created_at", per_page: int = 50) -> Runs:
        """Its runs that a filter means; archived ones with `{"archived": True}`."""
        return self._api.runs(f"{self.entity}/{self.name}", filters=filters, order=order, per_page=per_page)

    def delete(self, reason: str | None = None) -> ProjectDeletion:
        """Deletes it with all its runs, restorable until the deadline of the answer."""
        found = execute(self, _ID, entity=self.entity, name=self.name)["project"]
        if found is None:
            raise ValueError(f"Could not find project {self.entity}/{self.name}")
        answer = execute(self, _DELETE, id=found["id"], reason=reason)
        return ProjectDeletion.of(self, answer["deleteModel"]["deletion"])
