#!/usr/bin/env bash
# Every check of the project, in order; stops at the first that fails and ends with a list of what was done.
#
#   scripts/check.sh         what guards every landing
#   scripts/check.sh --all   the full matrix of clients and databases, and the long runs
set -euo pipefail
cd "$(dirname "$0")/.."

case ${1:-} in
  "") all=false ;;
  --all) all=true ;;
  *)
    echo "usage: scripts/check.sh [--all]" >&2
    exit 2
    ;;
esac

report=""
current="setting up"
clusters=$(mktemp -d)
chmod 755 "$clusters"

finish() {
  local status=$?
  scripts/postgres.sh stop "$clusters/postgres" || true
  scripts/s3.sh stop "$clusters/s3" || true
  rm -rf "$clusters"
  [ $status -eq 0 ] || report+=$(printf '\n  FAILED   %s' "$current")
  printf '\nChecks:%s\n' "$report"
  exit $status
}
trap finish EXIT
trap 'exit 130' INT TERM

step() {
  current=$1
  shift
  printf '\n== %s\n' "$current"
  local begun=$SECONDS
  "$@"
  report+=$(printf '\n  passed   %s (%d s)' "$current" $((SECONDS - begun)))
}

skip() {
  report+=$(printf '\n  SKIPPED  %s: %s' "$1" "$2")
}

page() {
  make web
  npm --prefix web run check
}

rust_tests() {
  cargo nextest run --locked --workspace
}

schema_unchanged() {
  target/debug/counterweight schema | diff -u schema.graphql - ||
    { echo "schema.graphql is not what the program prints; run: make schema" >&2 && return 1; }
}

sdk() {
  local client=$1 database=$2 store=$3
  shift 3
  .venv/sdk-"$client"/bin/python -m pytest tests/sdk -n 5 --database "$database" --store "$store" "$@"
}

COUNTERWEIGHT_TEST_POSTGRES_URL=$(scripts/postgres.sh start "$clusters/postgres")
COUNTERWEIGHT_TEST_S3_URL=$(scripts/s3.sh start "$clusters/s3")
export COUNTERWEIGHT_TEST_POSTGRES_URL COUNTERWEIGHT_TEST_S3_URL

step "format" cargo fmt --all --check
step "page" page
step "clippy" cargo clippy --locked --workspace --all-targets -- -D warnings
step "documentation" env RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps
# One build for the program and the tests: the features of the dependencies, and so their builds, are the same.
step "build" cargo build --locked --workspace --all-targets
step "tests, on SQLite and PostgreSQL" rust_tests
step "documentation tests" cargo test --locked --workspace --doc --quiet
step "schema.graphql unchanged" schema_unchanged
step "GraphQL over HTTP" npm --prefix tests/http test
step "types of the Python package" .venv/sdk-0.31/bin/python -m mypy --config-file clients/python/pyproject.toml
if $all; then
  for client in 0.31 0.21; do
    for place in "sqlite folder" "postgres folder" "postgres s3"; do
      read -r database store <<<"$place"
      step "wandb $client on $database and $store" sdk "$client" "$database" "$store" --kills 100 --long
    done
  done
  step "soak, in short" env COUNTERWEIGHT_BIN=target/debug/counterweight scripts/soak.sh --minutes 2
else
  step "wandb 0.31 on sqlite and a folder" sdk 0.31 sqlite folder
  step "wandb 0.31 on postgres and s3" sdk 0.31 postgres s3
  step "wandb 0.21 on sqlite and a folder, in short" sdk 0.21 sqlite folder -m smoke
fi
if command -v cargo-deny >/dev/null; then
  step "licences, advisories, sources" cargo deny --locked check
else
  skip "licences, advisories, sources" "cargo-deny is not installed"
fi
