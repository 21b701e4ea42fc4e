#!/usr/bin/env bash
# A throw-away PostgreSQL for tests: nothing is synced to disk, everyone on this machine is trusted.
#
#   scripts/postgres.sh start DIR   starts a cluster in DIR (or finds it running) and prints its DATABASE_URL
#   scripts/postgres.sh stop DIR    stops it and removes what it stored
#   scripts/postgres.sh bin         prints the folder of PostgreSQL's programs; fails where there is none
set -euo pipefail

fail() {
  echo "postgres.sh: $*" >&2
  exit 1
}

# Debian keeps the server's programs off the PATH, one folder per version.
bin_dir() {
  local initdb found=""
  for initdb in /usr/lib/postgresql/*/bin/initdb "$(command -v initdb)"; do
    [ ! -x "$initdb" ] || found=$initdb
  done
  [ -n "$found" ] && dirname "$(readlink -f "$found")"
}

# PostgreSQL refuses to run as root.
unprivileged() {
  if [ "$(id -u)" -ne 0 ]; then
    "$@"
  else
    setpriv --reuid="$account" --regid="$(id -g "$account")" --clear-groups "$@"
  fi
}

free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# The fourth line of postmaster.pid is the port.
url() {
  echo "postgres://postgres@127.0.0.1:$(sed -n 4p "$data/postmaster.pid")/postgres"
}

running() {
  [ -d "$data" ] && unprivileged "$bin/pg_ctl" status -D "$data" >/dev/null 2>&1
}

start() {
  if running; then
    url
    return
  fi
  mkdir -p "$dir"
  [ "$(id -u)" -ne 0 ] || chown "$account" "$dir"
  [ -e "$data/PG_VERSION" ] || unprivileged "$bin/initdb" -D "$data" -U postgres --auth=trust --no-sync \
    --encoding=UTF8 --locale=C.UTF-8 >"$dir/initdb.log" || fail "initdb failed, see $dir/initdb.log"
  local options="-c listen_addresses=127.0.0.1 -c unix_socket_directories='$dir' -c max_connections=300"
  options+=" -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c shared_buffers=128MB"
  local attempt
  for attempt in 1 2 3; do # another process may take the port first
    if unprivileged "$bin/pg_ctl" start -w -s -D "$data" -l "$data/server.log" -o "-p $(free_port) $options"; then
      url
      return
    fi
  done
  tail -n 20 "$data/server.log" >&2
  fail "PostgreSQL did not start ($attempt attempts)"
}

stop() {
  if running; then
    unprivileged "$bin/pg_ctl" stop -w -s -m immediate -D "$data"
  fi
  rm -rf "$data" "$dir/initdb.log"
  rmdir "$dir" 2>/dev/null || true
}

command=${1:-}
case $command in
  bin)
    bin_dir
    exit
    ;;
  start | stop) ;;
  *) fail "usage: postgres.sh start|stop DIR, or postgres.sh bin" ;;
esac

[ -n "${2:-}" ] || fail "$command needs a folder"
bin=$(bin_dir) || fail "PostgreSQL is missing; scripts/setup.sh installs it"
dir=$(realpath -m "$2")
data=$dir/data
account=$(id -un postgres 2>/dev/null || echo nobody)
cd /
"$command"
