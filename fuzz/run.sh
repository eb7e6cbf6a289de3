#!/bin/sh
# Run every fuzz target for SECONDS (60 if not given); fails on the first finding.
#
#   fuzz/run.sh [SECONDS] [TARGET...]
#
# Works with the stable compiler: coverage instrumentation is all libFuzzer needs, and without
# `unsafe` in the crate there is nothing for an address sanitizer to find. RUSTC_BOOTSTRAP lets
# cargo-fuzz pass the flags for it.
set -eu
cd "$(dirname "$0")/.."

seconds=${1:-60}
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- head body stream proxy response oracle websocket handshake

if ! cargo fuzz --version >/dev/null 2>&1; then
    echo "fuzz/run.sh: cargo-fuzz is missing: cargo install cargo-fuzz" >&2
    exit 2
fi

export RUSTC_BOOTSTRAP=1
mkdir -p fuzz/artifacts
for target in "$@"; do
    mkdir -p "fuzz/corpus/$target"
    log=fuzz/artifacts/$target.log
    if ! cargo fuzz run --fuzz-dir fuzz --sanitizer none "$target" -- \
        -max_total_time="$seconds" -max_len=2048 -timeout=10 -rss_limit_mb=1024 \
        -dict=fuzz/http.dict -print_final_stats=1 >"$log" 2>&1
    then
        tail -n 60 "$log" >&2
        echo "fuzz/run.sh: $target found something, see above and $log" >&2
        exit 1
    fi
    inputs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    echo "$target: $inputs inputs in $seconds s, nothing found"
done
