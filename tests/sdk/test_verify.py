"""`wandb verify`: what the client checks of a server that somebody has set up."""

import os
import re
import socket
import subprocess
import sys

from client import HURRY_AGENTS
from secure import Secured

VERIFY = HURRY_AGENTS + """
from wandb.cli.cli import cli
cli(prog_name="wandb")
"""
CHECK = re.compile(r"(Checking .*?)\.+(✅|❌)")


def test_the_client_verifies_the_server(own_server, tmp_path):
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"https://127.0.0.1:{listener.getsockname()[1]}"
    server = own_server({"server.external_url": url})
    secured = Secured(listener, server.address, tmp_path)
    environment = {
        **os.environ,
        **secured.environment(),
        "WANDB_BASE_URL": url,
        "PYTHONIOENCODING": "utf-8",
    }
    command = [sys.executable, "-c", VERIFY, "verify", "--host", url]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    secured.close()
    printed = done.stdout + done.stderr
    found = dict(CHECK.findall(done.stdout))
    assert len(found) == 10, printed
    assert not [check for check, mark in found.items() if mark == "❌"], printed
    assert done.returncode == 0, printed
