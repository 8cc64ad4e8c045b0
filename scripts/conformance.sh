#!/usr/bin/env bash
# Starts our own server once for each profile and plays the carrier against it: every rule must pass.
#   scripts/conformance.sh [path of the trunkline binary]
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/server.sh "${1:-}"

# With a token, so that refusing a wrong one is looked at too. Server and caller both take it from here.
export EXOTEL_WS_TOKEN=only-for-this-check

for pair in echo:echo assistant:agent; do
  agent=${pair%:*} profile=${pair#*:}
  start_server --agent "$agent"
  echo "conformance: agent $agent, profile $profile"
  "$trunkline" conformance exotel "ws://$address/voicebot/ws" --profile "$profile"
  stop_server
done
