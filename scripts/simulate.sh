#!/usr/bin/env bash
# Plays so many seeds of the simulation, on all cores; see docs/SIMULATION.md.
#
#   scripts/simulate.sh 10000            on SQLite, seeds 1 to 10000
#   scripts/simulate.sh 100 postgres     on PostgreSQL
#   scripts/simulate.sh 1 sqlite 4711    that seed again
set -euo pipefail
cd "$(dirname "$0")/.."

export COUNTERWEIGHT_SIMULATION_SEEDS=${1:?how many seeds}
export COUNTERWEIGHT_SIMULATION_DATABASE=${2:-sqlite}
export COUNTERWEIGHT_SIMULATION_SEED=${3:-1}
exec cargo test --locked -p counterweight-tests --test simulation -- --exact what_must_always_hold_does
