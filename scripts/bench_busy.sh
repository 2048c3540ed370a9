#!/usr/bin/env bash
# usage: scripts/bench_busy.sh [--rounds N] [--steps N] [--help]
#
# Measures how much a training on the CPU slows down beside another program that keeps one core busy.
# Trains the quickstart's network alone and beside a loop, in turns, with the program as it is and with
# each of OpenMP's own ways of waiting, and prints the median seconds of each. The machine should do
# nothing else. DDPM is the program (default: build/release/ddpm).
#
#   --rounds N   of all measurements (default 3)
#   --steps N    training steps of each (default 60)
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

rounds=3 steps=60
while (($# > 0)); do
  case $1 in
    -h | --help) print_help && exit ;;
    --rounds) rounds=$2 && shift ;;
    --steps) steps=$2 && shift ;;
    *) die "unknown argument '$1' (see --help)" ;;
  esac
  shift
done
ddpm=$(realpath "${DDPM:-$DDPM_ROOT/build/release/ddpm}")
folder=$(mktemp -d)
neighbour=
stop_neighbour() {
  [[ -z $neighbour ]] || kill "$neighbour" 2>/dev/null || true
  neighbour=
}
trap 'stop_neighbour; rm -rf "$folder"' EXIT

# Trains with the environment VARIABLE=VALUE and prints the seconds of the steps.
seconds() {
  env "$1" "$ddpm" train --config "$DDPM_ROOT/configs/quickstart.json" --quiet --overwrite --device cpu \
    --set "run.directory=$folder" --set "training.steps=$steps" --set training.sample_every=0 >/dev/null
  tail -n 1 "$folder/quickstart/metrics.jsonl" | sed -E 's/.*"elapsed_s": ?([0-9.]+).*/\1/'
}

ways=(DDPM_AS_IT_IS=1 GOMP_SPINCOUNT=300000 OMP_WAIT_POLICY=PASSIVE)
for ((round = 1; round <= rounds; ++round)); do
  for place in alone busy; do
    if [[ $place == busy ]]; then
      taskset -c 0 bash -c 'while :; do :; done' &
      neighbour=$!
    fi
    for way in "${ways[@]}"; do
      seconds "$way" >>"$folder/$place.$way"
    done
    stop_neighbour
  done
done

printf '%-28s %10s %10s\n' "way of waiting" "alone, s" "busy, s"
for way in "${ways[@]}"; do
  row=("$way")
  for place in alone busy; do
    row+=("$(sort -n "$folder/$place.$way" | sed -n "$(((rounds + 1) / 2))p")")
  done
  printf '%-28s %10s %10s\n' "${row[@]}"
done
