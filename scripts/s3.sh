#!/usr/bin/env bash
# A throw-away S3 for tests: moto, which keeps everything in memory. It answers as S3 does, conditional puts and parts
# included, but checks no signature: credentials and presigned URLs are not tested by it.
#
#   scripts/s3.sh start DIR   starts a server with its log in DIR (or finds it running) and prints its address
#   scripts/s3.sh stop DIR    stops it
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
  echo "s3.sh: $*" >&2
  exit 1
}

free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

running() {
  [ -f "$dir/pid" ] && kill -0 "$(cat "$dir/pid")" 2>/dev/null
}

# The bucket of the Rust tests; it also tells whether the server is up.
make_bucket() {
  curl --silent --fail --output /dev/null --request PUT --data "" "$1/counterweight"
}

start() {
  if running; then
    cat "$dir/url"
    return
  fi
  [ -x "$server" ] || fail "moto is missing; scripts/setup.sh installs it"
  mkdir -p "$dir"
  local url
  url=http://127.0.0.1:$(free_port)
  "$server" -H 127.0.0.1 -p "${url##*:}" >"$dir/server.log" 2>&1 </dev/null &
  echo $! >"$dir/pid"
  echo "$url" >"$dir/url"
  local attempt
  for attempt in {1..100}; do
    if make_bucket "$url"; then
      echo "$url"
      return
    fi
    running || break
    sleep 0.1
  done
  tail -n 20 "$dir/server.log" >&2
  fail "moto did not start ($attempt attempts)"
}

stop() {
  if running; then
    kill "$(cat "$dir/pid")"
  fi
  rm -f "$dir/pid" "$dir/url" "$dir/server.log"
  rmdir "$dir" 2>/dev/null || true
}

command=${1:-}
case $command in
  start | stop) ;;
  *) fail "usage: s3.sh start|stop DIR" ;;
esac
[ -n "${2:-}" ] || fail "$command needs a folder"
dir=$(realpath -m "$2")
server=.venv/s3/bin/moto_server
"$command"
