# shellcheck shell=bash
# Sourced by other scripts: starts a server of ours on a free port, waits until it is ready, and stops exactly that
# process. Sets `trunkline` (the binary) and, after start_server, `address` and `server_pid`.
# The data and the log lie in a temporary folder that goes with the script.

trunkline=${1:-}
if [ -z "$trunkline" ]; then
  target=$(cargo metadata --format-version 1 --no-deps --locked |
    sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')
  trunkline=$target/debug/trunkline
fi
if [ ! -x "$trunkline" ]; then
  echo "there is no $trunkline; run: cargo build -p trunkline" >&2
  exit 1
fi
trunkline=$(realpath "$trunkline")

server_pid=
scratch=$(mktemp -d)
trap 'stop_server; rm -rf "$scratch"' EXIT

start_server() {
  address=127.0.0.1:$(free_port)
  "$trunkline" serve --listen "$address" --data "$scratch/data" "$@" </dev/null >"$scratch/log" 2>&1 &
  server_pid=$!
  for _ in $(seq 100); do
    if answers; then
      return 0
    fi
    if ! kill -0 "$server_pid" 2>/dev/null; then
      break
    fi
    sleep 0.1
  done
  echo "the server did not become ready on $address; its log:" >&2
  cat "$scratch/log" >&2
  exit 1
}

stop_server() {
  if [ -z "$server_pid" ]; then
    return 0
  fi
  kill "$server_pid" 2>/dev/null || true
  local status=0
  wait "$server_pid" || status=$?
  server_pid=
  if [ "$status" -ne 0 ]; then
    echo "the server ended with status $status; its log's end:" >&2
    tail -n 20 "$scratch/log" >&2
    return 1
  fi
}

# Whether /readyz answers 200. Bash's own sockets, so that no curl is needed.
answers() {
  local line=
  # In a subshell, so that the socket closes with it, and a refused connection ends nothing else.
  line=$(
    exec 2>/dev/null
    exec 3<>"/dev/tcp/${address%:*}/${address#*:}" || exit 1
    printf 'GET /readyz HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n' "$address" >&3
    IFS= read -r -t 2 line <&3
    printf '%s' "$line"
  ) || return 1
  [[ $line == *' 200 '* ]]
}

# A port that nothing listens on now.
free_port() {
  local port
  while :; do
    port=$((20000 + RANDOM % 12000))
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
  done
  echo "$port"
}
