#!/bin/sh
# Runs a command with the URL of a PostgreSQL database behind its words: an empty one, of a server that is started for
# it from Debian's package and is gone afterwards. The server keeps what it is told as a real one does (fsync).
set -eu
[ $# -gt 0 ] || { echo "usage: $0 command .." >&2; exit 2; }
bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
[ -n "$bin" ] || { echo "no PostgreSQL server is installed: run make setup" >&2; exit 1; }
data=$(mktemp -d /tmp/trunkline-postgres.XXXXXX)
as() { "$@"; }
if [ "$(id -u)" = 0 ]; then
  # The server refuses to run as root.
  chown postgres "$data"
  as() { setpriv --reuid=postgres --regid=postgres --init-groups "$@"; }
fi
trap 'as "$bin/pg_ctl" -D "$data/db" -m immediate stop >/dev/null 2>&1 || true; rm -rf "$data"' EXIT
trap 'exit 1' INT TERM
cd /
as "$bin/initdb" -D "$data/db" -U postgres -A trust -E UTF8 --locale=C >/dev/null
port=$(awk 'BEGIN { srand(); print 20000 + int(rand() * 20000) }')
as "$bin/pg_ctl" -D "$data/db" -w -l "$data/log" \
  -o "-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories=$data" start >/dev/null
cd "$OLDPWD"
"$@" "postgres://postgres@127.0.0.1:$port/postgres?sslmode=disable"
