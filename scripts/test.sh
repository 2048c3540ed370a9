#!/usr/bin/env bash
# usage: scripts/test.sh [ctest options ...] [--help]
#
# Installs what is missing (scripts/setup.sh), builds everything in build/test with warnings as errors, and
# runs every test. All arguments are passed to ctest, for example -R UNet (by name) or -L core (by label:
# core, model, cli, repository). If there are no arguments and clang is installed, the readers of files are
# fuzzed for two minutes at the end (scripts/fuzz.sh).
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

case ${1:-} in
  -h | --help) print_help && exit ;;
esac

"$DDPM_ROOT/scripts/setup.sh" --tests
"$DDPM_ROOT/scripts/build.sh" --preset test >/dev/null
ctest --test-dir "$DDPM_ROOT/build/test" -j2 --output-on-failure "$@"
if (($# == 0)); then
  status=0
  "$DDPM_ROOT/scripts/fuzz.sh" --seconds 7 || status=$?
  ((status == 0 || status == 77)) || die "a reader of files failed (see above)"
fi
