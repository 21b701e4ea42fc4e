"""`wandb.Api` with what a Counterweight server can do beyond it: deletion that is planned, explained and undone."""

from counterweight.api import Api
from counterweight.bulk import Plan, Task
from counterweight.deletion import Deletion, ProjectDeletion, TrashedRun
from counterweight.projects import Project
from counterweight.runs import Run, Runs
from counterweight.storage import Storage

__all__ = [
    "Api",
    "Deletion",
    "Plan",
    "Project",
    "ProjectDeletion",
    "Run",
    "Runs",
    "Storage",
    "Task",
    "TrashedRun",
]
