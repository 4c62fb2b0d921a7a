#!/bin/sh
# Builds every fuzz target and runs each for some seconds. See README.md.
#
#   fuzz/run.sh [SECONDS_PER_TARGET [TARGET...]]
#
# As many targets run at once as there are processors; what each says stands together, in order.
# Exits 1 when a target finds something, and says where the reproducer is.
set -eu

cd "$(dirname "$0")"
seconds=${1:-10}
[ $# -eq 0 ] || shift

# What libFuzzer needs from the compiler, in options that a stable rustc takes. Only crates of
# this build are instrumented; the standard library is not.
RUSTFLAGS="${RUSTFLAGS:-} --cfg fuzzing \
-Ccodegen-units=1 \
-Cpasses=sancov-module \
-Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
-Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares"
export RUSTFLAGS
export CARGO_TARGET_DIR="${FUZZ_TARGET_DIR:-$PWD/target}"

# With --target the flags stay away from build scripts and proc macros, which could not link.
host=$(rustc -vV | sed -n 's/^host: //p')

for file in fuzz_targets/*.rs; do
    name=$(basename "$file" .rs)
    if ! grep -q "^name = \"$name\"$" Cargo.toml; then
        echo "fuzz: $file has no [[bin]] in fuzz/Cargo.toml" >&2
        exit 1
    fi
done
cargo build --release --locked --target "$host"

if [ $# -eq 0 ]; then
    set -- $(for file in fuzz_targets/*.rs; do basename "$file" .rs; done)
fi

# Runs one target, reports, and fails if it found something.
run() {
    target=$1
    corpus=$CARGO_TARGET_DIR/corpus/$target
    artifacts=$PWD/artifacts/$target
    log=$CARGO_TARGET_DIR/$target.log
    mkdir -p "$corpus" "$artifacts" "seeds/$target"
    status=0
    # New inputs go to the first directory; the committed seeds are only read.
    "$CARGO_TARGET_DIR/$host/release/$target" \
        -max_total_time="$seconds" -timeout=5 -rss_limit_mb=512 -malloc_limit_mb=64 -max_len=16384 \
        -artifact_prefix="$artifacts/" -print_final_stats=1 -verbosity=1 \
        "$corpus" "seeds/$target" >"$log" 2>&1 || status=$?
    if [ "$status" -ne 0 ]; then
        grep -v '^#' "$log" | tail -n 40
        reproducer=$(sed -n 's/.*Test unit written to //p' "$log" | tail -n 1)
        echo "fuzz: $target FAILED (status $status); reproducer: ${reproducer:-none, see $log}"
        echo "fuzz: again: $CARGO_TARGET_DIR/$host/release/$target $reproducer"
        return 1
    fi
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    echo "fuzz: $target ok, ${runs:-?} runs in $seconds s"
}

# Waits for the targets that run, "pid:target" each, and says what they said.
failed=
collect() {
    for job in "$@"; do
        target=${job#*:}
        wait "${job%%:*}" || failed="$failed $target"
        cat "$CARGO_TARGET_DIR/$target.report"
    done
}

# Each takes as long as the others, so that nobody waits if as many begin together as fit.
at_once=$(nproc)
running=
count=0
for target in "$@"; do
    run "$target" >"$CARGO_TARGET_DIR/$target.report" 2>&1 &
    running="$running $!:$target"
    count=$((count + 1))
    if [ "$count" -eq "$at_once" ]; then
        collect $running
        running=
        count=0
    fi
done
collect $running

if [ -n "$failed" ]; then
    echo "fuzz: failed:$failed"
    exit 1
fi
