#!/usr/bin/env bash
# Installs what the project needs and this machine lacks, and says so. Running it again does nothing.
#
#   scripts/setup.sh web    the page's npm packages (make run)
#   scripts/setup.sh        everything (make test): those, PostgreSQL, an S3, cargo-nextest, and both releases of the client
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
  echo "setup: $*" >&2
  exit 1
}

say() {
  echo "setup: installing $*"
}

need() {
  command -v "$1" >/dev/null || fail "$1 is missing: please install $2"
}

npm_packages() {
  local folder=$1
  if [ ! "$folder/node_modules/.package-lock.json" -nt "$folder/package-lock.json" ]; then
    say "npm packages in $folder"
    npm --prefix "$folder" ci --no-audit --no-fund --loglevel=error
    touch "$folder/node_modules/.package-lock.json"
  fi
}

postgresql() {
  if ! scripts/postgres.sh bin >/dev/null; then
    command -v apt-get >/dev/null || fail "PostgreSQL is missing: please install its server (initdb, pg_ctl)"
    say "PostgreSQL (Debian package postgresql)"
    local sudo=()
    [ "$(id -u)" -eq 0 ] || sudo=(sudo)
    "${sudo[@]}" apt-get -qq update
    DEBIAN_FRONTEND=noninteractive "${sudo[@]}" apt-get -qq -y install --no-install-recommends postgresql >/dev/null
  fi
}

nextest() {
  if ! command -v cargo-nextest >/dev/null; then
    say "cargo-nextest"
    cargo install --quiet --locked cargo-nextest
  fi
}

# A virtual environment of those requirements, made anew when they change.
python_packages() {
  local venv=$1 what=$2 file arguments=()
  shift 2
  if ! cat "$@" | cmp -s - "$venv/installed.txt"; then
    say "$what in $venv"
    for file in "$@"; do
      arguments+=(-r "$file")
    done
    python3 -m venv --clear "$venv" || fail "python3 cannot make virtual environments: please install python3-venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check "${arguments[@]}"
    cat "$@" >"$venv/installed.txt"
  fi
}

client() {
  local wanted=tests/sdk/requirements
  python_packages ".venv/sdk-$1" "the wandb client $1" "$wanted/common.txt" "$wanted/$1.txt"
}

need cargo "Rust (https://rustup.rs)"
need npm "Node.js 20 or newer"
npm_packages web
[ "${1:-all}" = web ] && exit

need python3 "Python 3.10 or newer"
npm_packages tests/http
postgresql
nextest
client 0.31
client 0.21
python_packages .venv/s3 "moto, an S3 for tests," tests/sdk/requirements/s3.txt
