#!/usr/bin/env bash
# usage: scripts/fuzz.sh [--seconds N | --runs N] [--jobs N] [TARGET ...] [--help]
#
# Gives the readers of untrusted files inputs that libFuzzer makes up, under AddressSanitizer and
# UndefinedBehaviorSanitizer, starting from tests/fuzz/corpus. Prints how many inputs each reader got.
# An input that crashes a reader is kept in build/fuzz/crashes: fix the reader, then move the file to
# tests/fuzz/corpus/TARGET, where the ordinary tests read it from then on. Run scripts/setup.sh first;
# clang with libFuzzer is needed too (Debian: clang, libclang-rt-dev; exit code 77 without it).
#
#   --seconds N   for each target (default 10)
#   --runs N      number of inputs for each target, whatever time it takes
#   --jobs N      number of targets that run at the same time (default: one for each core)
#   TARGET        safetensors, config, idx, ... (default: all)
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

limit=-max_total_time=10 jobs=$(nproc) targets=()
while (($# > 0)); do
  case $1 in
    -h | --help) print_help && exit ;;
    --seconds) limit=-max_total_time=$2 && shift ;;
    --runs) limit=-runs=$2 && shift ;;
    --jobs) jobs=$2 && shift ;;
    -*) die "unknown argument '$1' (see --help)" ;;
    *) targets+=("$1") ;;
  esac
  shift
done

cd "$DDPM_ROOT"
if ! echo 'extern "C" int LLVMFuzzerTestOneInput(const char*, unsigned long) { return 0; }' |
  clang++ -x c++ -fsanitize=fuzzer -o /dev/null - 2>/dev/null; then
  echo "skipped: there is no clang++ with libFuzzer"
  exit 77
fi

build=build/fuzz
mkdir -p "$build/crashes"
cmake --preset fuzz >"$build/configure.log" 2>&1 || { cat "$build/configure.log" >&2 && exit 1; }
cmake --build "$build" --target ddpm_fuzzer --parallel "$(build_jobs)" >"$build/build.log" 2>&1 ||
  { cat "$build/build.log" >&2 && exit 1; }
if ((${#targets[@]} == 0)); then
  for folder in tests/fuzz/corpus/*/; do targets+=("$(basename "$folder")"); done
fi

# Checkpoints are read from folders; in memory that is faster than on a disk.
if [[ -w /dev/shm ]]; then export TMPDIR=/dev/shm; fi

# Runs one target; new interesting inputs stay in build/fuzz/corpus for the next time.
fuzz() {
  local name=$1 dictionary=tests/fuzz/dictionaries/$1.dict options=()
  [[ -d tests/fuzz/corpus/$name ]] || die "there is no target '$name'"
  [[ -e $dictionary ]] && options+=("-dict=$dictionary")
  mkdir -p "$build/corpus/$name"
  if ! DDPM_FUZZ_TARGET=$name "$build/tests/ddpm_fuzzer" "$limit" "${options[@]}" -max_len=20000 -timeout=20 -rss_limit_mb=2048 \
    -print_final_stats=1 -artifact_prefix="$build/crashes/$name-" "$build/corpus/$name" \
    "tests/fuzz/corpus/$name" >"$build/$name.log" 2>&1; then
    tail -n 40 "$build/$name.log" >&2
    echo "$name: FAILED, the input is in $build/crashes"
    return 1
  fi
  awk -v name="$name" '/number_of_executed_units/ {executions = $2} / cov: / {for (i = 1; i < NF; ++i) if ($i == "cov:") edges = $(i + 1)}
    END {printf "%-12s %10d inputs, %5d edges reached\n", name, executions, edges}' "$build/$name.log"
}

export -f fuzz die
export build limit
printf '%s\n' "${targets[@]}" | xargs -P "$jobs" -I{} bash -c 'set -euo pipefail; fuzz {}'
