#!/usr/bin/env bash
# Checks the licences, bans and sources of all dependencies by deny.toml. Installs cargo-deny when it is not there.
# Advisories are not checked here: their database comes from a network that CI does not have.
set -euo pipefail
cd "$(dirname "$0")/.."

version=0.20.2
if ! cargo deny --version >/dev/null 2>&1; then
  echo "deny: installing cargo-deny $version from crates.io (a few minutes, once)" >&2
  cargo install --quiet --locked "cargo-deny@$version"
fi
cargo deny --all-features --locked check --hide-inclusion-graph licenses bans sources
