#!/usr/bin/env bash
# Fuzzes each target for some seconds, starting from the committed corpora. What is found lies in fuzz/artifacts/.
#   scripts/fuzz.sh [seconds for each target] [target]...
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:-60}
shift || true
targets=("$@")
if ! cargo fuzz --version >/dev/null 2>&1; then
  echo "fuzz: cargo-fuzz is not installed. Run: cargo install --locked cargo-fuzz" >&2
  exit 1
fi
if [ ${#targets[@]} -eq 0 ]; then
  mapfile -t targets < <(cargo +nightly fuzz list)
fi
# New inputs go to a folder that is not committed; the committed corpus is read only.
for target in "${targets[@]}"; do
  echo "fuzz: $target for $seconds s"
  mkdir -p "fuzz/found/$target" "fuzz/corpus/$target"
  cargo +nightly fuzz run "$target" "fuzz/found/$target" "fuzz/corpus/$target" -- \
    -max_total_time="$seconds" -rss_limit_mb=1024 -timeout=10 -print_final_stats=1
done
