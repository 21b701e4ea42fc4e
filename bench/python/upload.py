"""Logs a folder as an artifact through the released client, and prints the seconds until it is committed as JSON.

    python upload.py PROJECT FOLDER

Where the server is, and where the client may keep files, comes from its own variables (WANDB_BASE_URL and others).
"""

import json
import os
import sys
import time

import wandb

project, folder = sys.argv[1:]
with wandb.init(project=project) as run:
    started = time.perf_counter()
    artifact = wandb.Artifact("upload", "dataset")
    artifact.add_dir(folder)
    run.log_artifact(artifact).wait()
    seconds = time.perf_counter() - started
print(json.dumps({"seconds": seconds}), flush=True)
# The client's service process may miss that it is to end; it ends with this one.
os._exit(0)
