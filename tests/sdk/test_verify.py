"""`wandb verify`: what the client checks of a server that somebody has set up."""

import os
import re
import subprocess
import sys

CHECK = re.compile(r"(Checking .*?)\.+(✅|❌)")
# The tests serve plain HTTP, and there are no sweeps.
UNANSWERED = {
    "Checking requests to base url",
    "Checking requests made over signed URLs",
    "Checking sweep creation and agent execution",
}


def test_the_client_verifies_the_server(server):
    command = [sys.executable, "-m", "wandb", "verify", "--host", server.url]
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    printed = subprocess.run(command, env=environment, capture_output=True, text=True).stdout
    found = dict(CHECK.findall(printed))
    assert len(found) == 10, printed
    assert {check for check, mark in found.items() if mark == "❌"} == UNANSWERED, printed
