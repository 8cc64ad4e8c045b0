#!/usr/bin/env bash
# Asks our own server everything that its /openapi.json allows, and much that it does not, and fails on an answer that is
# a 5xx, or not documented, or not of its documented form. Uses Schemathesis, which it installs into the target folder.
#   scripts/schemathesis.sh [path of the trunkline binary]
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/server.sh "${1:-}"

version=4.32.5
home=$(dirname "$(dirname "$trunkline")")/schemathesis-$version
# At most, for both runs together.
seconds=110

main() {
  install
  export EXOTEL_WS_TOKEN=only-for-this-check
  start_server --agent echo
  # A call, so that there is something to show.
  "$trunkline" phone "ws://$address/voicebot/ws" --say hello >/dev/null 2>&1
  local call
  call=$("$trunkline" call list --data "$scratch/data" --json | grep -om1 'call_[0-9A-Z]\{26\}')
  printf '[parameters]\n"path.id" = "%s"\n' "$call" >"$scratch/known.toml"
  : >"$scratch/any.toml"
  echo "schemathesis: everything"
  run any --exclude-path-regex '^/docs|^/metrics$'
  echo "schemathesis: the call $call"
  run known --include-path-regex '^/api/v1/calls/\{id\}'
  stop_server
}

# run <name of the configuration> <options>...
run() {
  local left=$((seconds - SECONDS)) config=$1
  shift
  # The stream of events never ends, so it is none of these: it has tests of its own. Schemathesis keeps notes where it is
  # started.
  cd "$scratch"
  timeout --kill-after=5 "$((left > 30 ? left : 30))" "$home/bin/schemathesis" --config-file "$scratch/$config.toml" run \
    "http://$address/openapi.json" --header "Authorization: Bearer $EXOTEL_WS_TOKEN" \
    --checks not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance,ignored_auth \
    --exclude-path /api/v1/events --phases examples,coverage,fuzzing --max-examples 10 --generation-deterministic \
    --request-timeout 10 --warnings off --no-color "$@" </dev/null
}

install() {
  if [ -x "$home/bin/schemathesis" ]; then
    return 0
  fi
  echo "schemathesis: installing version $version from PyPI into $home (once)" >&2
  rm -rf "$home"
  python3 -m venv "$home" ||
    give_up "python3 can't make a virtual environment; run scripts/setup.sh --tests, which installs python3-venv"
  "$home/bin/pip" install --quiet --disable-pip-version-check "schemathesis==$version" ||
    give_up "schemathesis==$version could not be fetched from PyPI (pip's own words are above). Is there a network?"
  SECONDS=0
}

# What is half there would be taken for all next time.
give_up() {
  rm -rf "$home"
  fail "$@"
}

fail() {
  echo "schemathesis: $*" >&2
  exit 1
}

main
