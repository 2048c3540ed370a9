#!/usr/bin/env bash
# usage: scripts/bench_cpu.sh [--batch N] [--seconds S] [--rounds N] [--threads N] [--compile] [--help]
#
# Compares the CPU training speed of this program with that of the same networks in Python (PyTorch, eager), in turn on the same
# machine: Ho et al.'s CIFAR-10 network (diffusers' UNet2DModel) and labml's. Prints the median seconds per step of each round, and
# the ratios.
#
#   --batch N     images per step (default 32)
#   --seconds S   time for which each figure is measured, after a warm-up step (default 20)
#   --rounds N    rounds (default 3)
#   --threads N   CPU threads (default: all cores)
#   --compile     compare with torch.compile too
#
# PYTHON names a Python that has torch, diffusers and labml-nn; default: an environment in build/bench-venv, made if needed.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

batch=32 seconds=20 rounds=3 threads=$(nproc) modes=(eager nhwc)
while (($# > 0)); do
  case $1 in
    -h | --help) print_help && exit ;;
    --batch) batch=$2 && shift ;;
    --seconds) seconds=$2 && shift ;;
    --rounds) rounds=$2 && shift ;;
    --threads) threads=$2 && shift ;;
    --compile) modes+=(compile) ;;
    *) die "unknown option $1; see --help" ;;
  esac
  shift
done

python=$(bench_python)
program=$(ddpm_program)

ours() {
  "$program" bench --config "$DDPM_ROOT/configs/$1.json" --device cpu --threads "$threads" --train --batch-size "$batch" \
    --seconds "$seconds" --json --quiet | "$python" -c 'import json, sys; print(json.load(sys.stdin)["training"]["step_ms"] / 1e3)'
}

peer() { # peer NETWORK MODE
  local options=()
  [[ $2 == eager ]] || options+=(--channels-last)
  [[ $2 != compile ]] || options+=(--mode compile)
  "$python" "$DDPM_ROOT/scripts/bench/python_peer.py" --network "$1" --batch "$batch" --seconds "$seconds" --threads "$threads" "${options[@]}" |
    "$python" -c 'import json, sys; print(json.loads(sys.stdin.read())["step_s"])'
}

echo "batch $batch, $threads threads, $("$program" --version | tr -s ' \n' ' ')"
printf '%-8s %10s' network ddpm_s
for mode in "${modes[@]}"; do printf ' %14s %8s' "${mode}_s" ratio; done
echo
for network in ho labml; do
  config=$network
  [[ $network == ho ]] && config=cifar10
  for ((round = 0; round < rounds; ++round)); do
    own=$(ours "$config")
    printf '%-8s %10.3f' "$network" "$own"
    for mode in "${modes[@]}"; do
      other=$(peer "$network" "$mode")
      printf ' %14.3f %8.2f' "$other" "$(awk "BEGIN {print $other / $own}")"
    done
    echo
  done
done
