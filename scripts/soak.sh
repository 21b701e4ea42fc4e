#!/usr/bin/env bash
# A soak of the built program: real clients, two servers and two workers over PostgreSQL and an S3, random kills; then
# bucket, database and ledger are compared. Prints a report, and ends with 0 where nothing was amiss.
#
#   scripts/soak.sh [--minutes N] [--events N] [--seed S] [--report FILE]
#
# It takes the release build, or COUNTERWEIGHT_BIN. Three minutes where nothing else is asked for.
set -euo pipefail
cd "$(dirname "$0")/.."

binary=${COUNTERWEIGHT_BIN:-target/release/counterweight}
[ -x "$binary" ] || {
  echo "soak.sh: $binary is missing; run: cargo build --locked --release -p counterweight-server" >&2
  exit 1
}

places=$(mktemp -d)
chmod 755 "$places"

finish() {
  local status=$?
  scripts/postgres.sh stop "$places/postgres" || true
  scripts/s3.sh stop "$places/s3" || true
  rm -rf "$places"
  exit $status
}
trap finish EXIT
trap 'exit 130' INT TERM

COUNTERWEIGHT_TEST_POSTGRES_URL=$(scripts/postgres.sh start "$places/postgres")
COUNTERWEIGHT_TEST_S3_URL=$(scripts/s3.sh start "$places/s3")
export COUNTERWEIGHT_TEST_POSTGRES_URL COUNTERWEIGHT_TEST_S3_URL
COUNTERWEIGHT_BIN=$(realpath "$binary")
export COUNTERWEIGHT_BIN
.venv/sdk-0.31/bin/python tests/soak/soak.py "$@" --store-log "$places/s3/server.log"
