"""Scans a run's history through the released client, and prints rows and seconds as JSON.

    python scan.py ENTITY/PROJECT/RUN PAGE_SIZE [KEY ...]

Where the server is, and where the client may keep files, comes from its own variables (WANDB_BASE_URL and others).
"""

import json
import os
import sys
import time

import wandb

path, page_size, *keys = sys.argv[1:]
run = wandb.Api(timeout=120).run(path)
started = time.perf_counter()
rows = sum(1 for _ in run.scan_history(keys=keys or None, page_size=int(page_size)))
print(json.dumps({"rows": rows, "seconds": time.perf_counter() - started}), flush=True)
# The client's service process may miss that it is to end; it ends with this one.
os._exit(0)
