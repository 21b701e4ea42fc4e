#!/usr/bin/env bash
# Plays so many seeds of the simulation, on all cores; see docs/SIMULATION.md.
#
#   scripts/simulate.sh 10000            on SQLite, seeds 1 to 10000
#   scripts/simulate.sh 100 postgres     on PostgreSQL, of COUNTERWEIGHT_TEST_POSTGRES_URL or its own
#   scripts/simulate.sh 1 sqlite 4711    that seed again, with all that happens in it
set -euo pipefail
cd "$(dirname "$0")/.."

export COUNTERWEIGHT_SIMULATION_SEEDS=${1:?how many seeds}
database=${2:-sqlite}
case $database in sqlite | postgres) ;; *) echo "simulate: $database is neither sqlite nor postgres" >&2 && exit 2 ;; esac
export COUNTERWEIGHT_SIMULATION_SEED=${3:-1}

if [ "$database" = postgres ] && [ -z "${COUNTERWEIGHT_TEST_POSTGRES_URL:-}" ]; then
  place=$(mktemp -d)
  chmod 755 "$place"
  trap 'scripts/postgres.sh stop "$place/postgres" || true; rm -rf "$place"' EXIT
  trap 'exit 130' INT TERM
  COUNTERWEIGHT_TEST_POSTGRES_URL=$(scripts/postgres.sh start "$place/postgres")
  export COUNTERWEIGHT_TEST_POSTGRES_URL
fi
# Optimized, since it takes several times as long without.
cargo test --locked --release -p counterweight-tests --test simulation -- --exact "what_must_always_hold_does::$database"
