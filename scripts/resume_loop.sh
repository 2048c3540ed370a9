#!/usr/bin/env bash
# usage: scripts/resume_loop.sh [ddpm train options ...] [--help]
#
# Runs `ddpm train OPTIONS --resume auto` and starts it again from its last checkpoint after a crash,
# until training is done. It gives up where trying again cannot help: wrong usage or config (exit code
# 2), bad data (3), a bad checkpoint (4), training that diverged (5), a stop by SIGHUP, SIGINT or SIGTERM
# (129, 130, 143), and ten failures in a row, each within a minute of its start. Environment: DDPM is the
# program (default build/release/ddpm), DDPM_RETRY_SECONDS the pause before a restart (default 10).
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

case ${1:---help} in
  -h | --help) print_help && exit ;;
esac

program=$(ddpm_program)
[[ -x $program ]] || die "$program does not exist: run scripts/build.sh"

set -m # the program gets a process group of its own, so that each signal reaches it once, from here
trap 'kill -INT "$child"' INT
trap 'kill -TERM "$child"' TERM
trap 'kill -HUP "$child"' HUP

# Runs a command to its end, also when `wait` is interrupted by a signal; returns its exit code.
run() {
  local status=0
  "$@" &
  child=$!
  while true; do
    status=0
    wait "$child" || status=$?
    kill -0 "$child" 2>/dev/null || return "$status"
  done
}

quick_failures=0
while true; do
  started=$SECONDS
  status=0
  run "$program" train "$@" --resume auto || status=$?
  case $status in
    0 | 2 | 3 | 4 | 5 | 126 | 127 | 129 | 130 | 143) exit "$status" ;;
  esac

  quick_failures=$((SECONDS - started < 60 ? quick_failures + 1 : 0))
  ((quick_failures < 10)) || die "training failed ten times in a row, each within a minute (exit code $status)"
  pause=${DDPM_RETRY_SECONDS:-10}
  say "training stopped with exit code $status, starting again in $pause s"
  sleep "$pause"
done
