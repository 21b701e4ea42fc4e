#!/usr/bin/env bash
# Installs what the project needs and this machine lacks, and says so. Running it again does nothing.
#
#   scripts/setup.sh web    the page's npm packages (make run)
#   scripts/setup.sh        everything (make test): those, PostgreSQL, cargo-nextest, and both releases of the client
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

client() {
  local venv=.venv/sdk-$1 wanted=tests/sdk/requirements
  if ! cat "$wanted/common.txt" "$wanted/$1.txt" | cmp -s - "$venv/installed.txt"; then
    say "the wandb client $1 in $venv"
    python3 -m venv --clear "$venv" || fail "python3 cannot make virtual environments: please install python3-venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$wanted/common.txt" -r "$wanted/$1.txt"
    cat "$wanted/common.txt" "$wanted/$1.txt" >"$venv/installed.txt"
  fi
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
