#!/usr/bin/env bash
# usage: scripts/build.sh [--preset NAME] [-DNAME=VALUE ...] [--help]
#
# Configures ddpm and builds what has changed, in build/NAME. The presets are release (the default), test,
# debug, asan, tsan, fuzz, tidy and cuda, see CMakePresets.json. Other arguments are passed to CMake. Run
# scripts/setup.sh first. Prints the path of the program.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

preset=release
arguments=()
while (($# > 0)); do
  case $1 in
    -h | --help) print_help && exit ;;
    --preset)
      preset=${2:?--preset needs a name}
      shift
      ;;
    *) arguments+=("$1") ;;
  esac
  shift
done

cd "$DDPM_ROOT"
build=build/$preset
mkdir -p "$build"
log=$build/configure.log
if ! cmake --preset "$preset" "${arguments[@]}" >"$log" 2>&1; then
  cat "$log" >&2
  exit 1
fi
grep -E '^-- (LibTorch|CUDA):' "$log" >&2
jobs=$(build_jobs)
say "building with $jobs job(s) into $build (a first build takes some minutes)"
cmake --build "$build" --parallel "$jobs" >&2
echo "$DDPM_ROOT/$build/ddpm"
