#!/usr/bin/env bash
# The benchmark's own virtual environment, bench/.venv: the peers, the released client, and a reader of Parquet. Says
# what it installs; running it again does nothing.
set -euo pipefail
cd "$(dirname "$0")"

venv=.venv
if ! cmp -s requirements.txt "$venv/installed.txt"; then
  echo "setup: installing MLflow, FastTrackML and the wandb client in bench/$venv (1.3 GB)" >&2
  python3 -m venv --clear "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check -r requirements.txt
  # Its server is one binary; only its Python client wants an older MLflow.
  "$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps fasttrackml==0.6.0
  cp requirements.txt "$venv/installed.txt"
fi
