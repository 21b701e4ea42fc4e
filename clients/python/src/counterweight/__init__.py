"""`wandb.Api` with what a Counterweight server can do beyond it: deletion that is planned, explained and undone."""

from counterweight.api import Api
from counterweight.deletion import Deletion, ProjectDeletion, TrashedRun
from counterweight.projects import Project
from counterweight.runs import Run, Runs

__all__ = ["Api", "Deletion", "Project", "ProjectDeletion", "Run", "Runs", "TrashedRun"]
