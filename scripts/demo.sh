#!/usr/bin/env bash
# Plays the demonstration call and checks that it ends by itself within a minute, with nothing but what is installed.
#   scripts/demo.sh [path of the trunkline binary]
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/server.sh "${1:-}"

cd "$scratch"
timeout --kill-after=5 60 "$trunkline" demo </dev/null
