"""The real client: its version, its environment, and the few ways in which the tests use it."""

import os
import pathlib
import signal
import subprocess
import sys
import textwrap
import threading

import pytest
import requests
import wandb

try:
    from wandb.sdk.lib.service.service_connection import WandbApiFailedError as ApiFailed
except ImportError:
    ApiFailed = wandb.errors.CommError

# What the client raises when the server refuses, or does not know what it is asked for.
REFUSED = (wandb.errors.Error, ApiFailed, ValueError, TypeError, requests.HTTPError)

VERSION = tuple(int(part) for part in wandb.__version__.split(".")[:2])


def since(major, minor, lack):
    """Marks a test that an older client cannot run, for a reason one can read."""
    return pytest.mark.skipif(VERSION < (major, minor), reason=f"{wandb.__version__} {lack}")


def environment(server, folder, key=None):
    """Where the client finds the server, and no trace of this machine's own settings."""
    return {
        "WANDB_BASE_URL": server.url,
        "WANDB_API_KEY": key or server.key,
        "WANDB_DIR": str(folder),
        "WANDB_CACHE_DIR": str(folder / "cache"),
        "WANDB_CONFIG_DIR": str(folder / "config"),
        "WANDB_DATA_DIR": str(folder / "staging"),
        "NETRC": str(folder / "netrc"),
        "WANDB_SILENT": "true",
        "WANDB_CONSOLE": "off",
        "WANDB_ERROR_REPORTING": "false",
        "WANDB_DISABLE_GIT": "true",
    }


def children_named(name):
    """The processes of that name which this one has started."""
    for children in pathlib.Path("/proc/self/task").glob("*/children"):
        for pid in children.read_text().split():
            if pathlib.Path(f"/proc/{pid}/comm").read_text().strip() == name:
                yield int(pid)


def tear_down(patience=20):
    """Ends what the client left running, by force after `patience` seconds.

    Its service process is told to end just before the connection to it is closed. Where it still answers an earlier
    request, it finds the connection closed, never reads the message, and would run until this process is gone.
    """
    forced = threading.Event()

    def end_service():
        forced.set()
        for pid in children_named("wandb-core"):
            os.kill(pid, signal.SIGKILL)

    impatience = threading.Timer(patience, end_service)
    impatience.start()
    try:
        wandb.teardown()
    except SystemExit:
        # The client leaves with the status of its service.
        if not forced.is_set():
            raise
        # It had no more to end, but still knows who was signed in.
        wandb.teardown()
    finally:
        impatience.cancel()


# Code after which sweep agents of this process ask more often than the client's every five seconds.
HURRY_AGENTS = """
import time, types
from wandb.agents import pyagent
pyagent.time = types.SimpleNamespace(time=time.time, sleep=lambda seconds: time.sleep(min(seconds, 0.5)))
"""


class Script:
    """A training script in a process of its own, so that it may fail, be killed, or print."""

    def __init__(self, code, environment=None, **variables):
        head = "import os, sys, time, wandb\n" + "".join(
            f"{name} = {value!r}\n" for name, value in variables.items()
        )
        # A terminal's console capture: what a user has, and pytest has not.
        self.process = subprocess.Popen(
            [sys.executable, "-u", "-c", head + textwrap.dedent(code)],
            env={**os.environ, **(environment or {}), "WANDB_CONSOLE": "wrap"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def wait_for(self, line):
        """Reads until the script prints `line`."""
        seen = []
        for printed in self.process.stdout:
            seen.append(printed)
            if printed.strip() == line:
                return
        raise AssertionError(f"the script ended without {line!r}:\n{''.join(seen)}")

    def finish(self, within=120):
        """Its exit status and what it printed since."""
        try:
            printed, _ = self.process.communicate(timeout=within)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        return self.process.returncode, printed


def script(code, environment=None, **variables):
    """Runs a training script that must succeed; what it printed."""
    status, printed = Script(code, environment, **variables).finish()
    assert status == 0, printed
    return printed


def log_run(project, rows=(), exit_code=0, **options):
    """Logs rows as one run, to its end; the run's id."""
    run = wandb.init(project=project, **options)
    for row in rows:
        run.log(row)
    run.finish(exit_code=exit_code)
    return run.id


def read_run(path):
    """The run at entity/project/id as the server has it now; an `Api` remembers what it read before."""
    return wandb.Api().run(path)
