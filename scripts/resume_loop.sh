#!/usr/bin/env bash
# usage: scripts/resume_loop.sh [ddpm train options ...] [--help]
#
# Runs `ddpm train OPTIONS --resume auto` and starts it again from its last checkpoint after a crash,
# until training is done. It gives up where trying again cannot help: wrong usage or config (exit code
# 2), bad data (3), a bad checkpoint (4), training that diverged (5), a stop by SIGHUP, SIGINT or SIGTERM
# (129, 130, 143), and ten failures in a row, each within a minute of its start. Signals that it gets (HUP,
# INT, QUIT, TERM, USR1, USR2) it passes on to the program, so that SIGUSR1 makes it save a checkpoint.
# Environment: DDPM is the program (default build/release/ddpm), DDPM_RETRY_SECONDS the pause before a
# restart (default 10).
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

case ${1:---help} in
  -h | --help) print_help && exit ;;
esac

program=$(ddpm_program)
[[ -x $program ]] || die "$program does not exist: run scripts/build.sh"

set -m     # the program gets a process group of its own, so that each signal reaches it once, from here
child=     # the process of the program; empty: it does not run
sleeper=   # that of the pause before a restart
passed=    # the exit codes of a program that ends by one of the signals passed on, in spaces
interrupted=0

# Passes a signal on. In a pause it ends this script, except USR1: there is nothing to save.
pass_on() { # NAME
  local code=$((128 + $(kill -l "$1")))
  interrupted=1
  if [[ -n $child ]]; then
    passed+=" $code "
    kill -"$1" "$child" 2>/dev/null || true # it may just have ended
  elif [[ $1 != USR1 ]]; then
    [[ -z $sleeper ]] || kill "$sleeper" 2>/dev/null || true
    exit "$code"
  fi
}
for name in HUP INT QUIT TERM USR1 USR2; do
  # shellcheck disable=SC2064 # the name is meant to be that of now
  trap "pass_on $name" "$name"
done

# Runs a command to its end and returns its exit code. A signal makes `wait` return early.
run() {
  local status=0
  passed=
  "$@" &
  child=$!
  while true; do
    interrupted=0
    status=0
    wait "$child" || status=$?
    ((interrupted)) || break
  done
  child=
  return "$status"
}

quick_failures=0
while true; do
  started=$SECONDS
  status=0
  run "$program" train "$@" --resume auto || status=$?
  case $status in
    0 | 2 | 3 | 4 | 5 | 126 | 127 | 129 | 130 | 143) exit "$status" ;;
  esac
  [[ $passed != *" $status "* ]] || exit "$status" # somebody wanted to end it

  quick_failures=$((SECONDS - started < 60 ? quick_failures + 1 : 0))
  ((quick_failures < 10)) || die "training failed ten times in a row, each within a minute (exit code $status)"
  pause=${DDPM_RETRY_SECONDS:-10}
  say "training stopped with exit code $status, starting again in $pause s"
  sleep "$pause" &
  sleeper=$!
  wait "$sleeper" || true
  sleeper=
done
