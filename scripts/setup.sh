#!/usr/bin/env bash
# Installs the system packages that building and running need and that are missing. Says what it installs and why.
# Does nothing, and asks no network, when all is there.
#
#   scripts/setup.sh           install what is missing to build and run
#   scripts/setup.sh --tests   and what the tests need beside that
#   scripts/setup.sh --check   only say what is missing; exit status 1 when anything is
set -euo pipefail

# package : what shows that it is there : why
needs=(
  "gcc|command -v cc|compiles the C parts of the TLS library"
  "libc6-dev|test -e /usr/include/stdlib.h|headers for the same"
  "make|command -v make|runs the project's targets"
  "libflite1|library libflite_cmu_us_slt.so.1|the built-in voice"
  "libpocketsphinx3|library libpocketsphinx.so.3|the built-in recogniser"
  "pocketsphinx-en-us|test -d /usr/share/pocketsphinx/model/en-us|the recogniser's English model"
)
needs_of_tests=(
  "python3-venv|python_environments|Schemathesis, which asks the API everything, lives in one"
  "postgresql|postgres_server|\`make test\` starts a database server of its own from it"
)
oldest_rust=1.94

main() {
  local check=false word
  for word; do
    case $word in
      --check) check=true ;;
      --tests) needs+=("${needs_of_tests[@]}") ;;
      *) fail "there is no option $word" ;;
    esac
  done
  check_rust
  local missing=() reasons=() entry package shown_by why
  for entry in "${needs[@]}"; do
    IFS='|' read -r package shown_by why <<<"$entry"
    if ! $shown_by >/dev/null 2>&1; then
      missing+=("$package")
      reasons+=("  $package: $why")
    fi
  done
  if [ ${#missing[@]} -eq 0 ]; then
    return 0
  fi
  say "missing:"
  printf '%s\n' "${reasons[@]}" >&2
  if $check; then
    exit 1
  fi
  if ! command -v apt-get >/dev/null; then
    fail "this system has no apt-get. Install these libraries with its own package manager, then try again: ${missing[*]}"
  fi
  install "${missing[@]}"
}

# Whether the dynamic loader would find a library.
library() {
  local cache
  cache=$(/sbin/ldconfig -p 2>/dev/null) || cache=$(ldconfig -p)
  grep -qF "$1" <<<"$cache"
}

postgres_server() {
  compgen -G '/usr/lib/postgresql/*/bin/initdb'
}

# Whether Python can make an environment of its own.
python_environments() {
  python3 -c 'import venv, ensurepip'
}

check_rust() {
  if ! command -v cargo >/dev/null; then
    fail "Rust is not installed (no cargo on the PATH). Install Rust $oldest_rust or newer from https://rustup.rs, then try again."
  fi
  local version
  version=$(cargo --version | cut -d' ' -f2)
  if [ "$(printf '%s\n' "$oldest_rust" "$version" | sort -V | head -n 1)" != "$oldest_rust" ]; then
    fail "cargo is version $version; $oldest_rust or newer is needed. Run: rustup update stable"
  fi
}

install() {
  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || fail "installing needs root and there is no sudo. As root, run: apt-get install $*"
    as_root=(sudo)
    say "installing with sudo, which may ask for your password"
  fi
  local updated=false
  if ! known "$@"; then
    update
    updated=true
  fi
  say "apt-get install $*"
  if apt_install "$@"; then
    return 0
  fi
  # A package list that is out of date names files that are gone.
  if ! $updated; then
    update
    apt_install "$@" && return 0
  fi
  fail "the packages could not be installed (apt's own words are above). Without a network, install them by hand from
  another machine's copies: $*"
}

known() {
  local package
  for package; do
    apt-cache policy "$package" 2>/dev/null | grep -q 'Candidate: [^(]' || return 1
  done
}

update() {
  say "apt-get update (the package list is empty or old)"
  # apt ends with success when no server could be reached, unless it is told that any failure counts.
  "${as_root[@]}" apt-get update -qq -o APT::Update::Error-Mode=any >&2 ||
    fail "the package list could not be fetched (apt's own words are above). Is there a network?"
}

apt_install() {
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends "$@" </dev/null >&2
}

say() {
  printf 'setup: %s\n' "$*" >&2
}

fail() {
  say "$*"
  exit 1
}

main "$@"
