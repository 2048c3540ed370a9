#!/usr/bin/env bash
# usage: scripts/bench_cpu.sh [--batch N] [--steps N] [--rounds N] [--threads N] [--help]
#
# CPU training speed of this program and of the same networks in Python (PyTorch, eager), in turn on the same machine: Ho et
# al.'s CIFAR-10 network (diffusers' UNet2DModel) and labml's. Prints seconds a step (median) of each round, and the ratios.
#
#   --batch N     images a step (default 32)
#   --steps N     timed steps a round, after one that is not timed (default 3)
#   --rounds N    rounds (default 3)
#   --threads N   CPU threads (default: all cores)
#
# PYTHON names a Python that has torch, diffusers and labml-nn; default: an environment of its own in build/bench-venv.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

batch=32 steps=3 rounds=3 threads=$(nproc)
while (($# > 0)); do
  case $1 in
    -h | --help) print_help && exit ;;
    --batch) batch=$2 && shift ;;
    --steps) steps=$2 && shift ;;
    --rounds) rounds=$2 && shift ;;
    --threads) threads=$2 && shift ;;
    *) die "unknown option $1; see --help" ;;
  esac
  shift
done

python=${PYTHON:-$DDPM_ROOT/build/bench-venv/bin/python}
if [[ ! -x $python ]]; then
  say "installing torch, diffusers and labml-nn into build/bench-venv"
  python3 -m venv "$DDPM_ROOT/build/bench-venv"
  "$python" -m pip install --quiet torch==2.11.0 diffusers==0.42.1
  "$python" -m pip install --quiet --no-deps labml-nn==0.5.1
fi
program=$(ddpm_program)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# Median seconds of a step from metrics.jsonl; the first step pays for set-up.
ours() {
  "$program" train --config "$DDPM_ROOT/configs/$1.json" --overwrite --quiet --threads "$threads" --device cpu \
    --set run.directory="$folder" --set run.name="$1" --set data.source=embedded --set data.height=32 --set data.width=32 --set data.channels=3 \
    --set training.batch_size="$batch" --set training.steps=$((steps + 1)) --set training.log_every=1 --set training.sample_every=0 \
    --set training.checkpoint_every=0 >/dev/null
  "$python" - "$folder/$1/metrics.jsonl" <<'PYTHON'
import json, statistics, sys
elapsed = [json.loads(line)["elapsed_s"] for line in open(sys.argv[1])]
print(f"{statistics.median(b - a for a, b in zip(elapsed, elapsed[1:])):.4f}")
PYTHON
}

peer() { "$python" "$DDPM_ROOT/scripts/bench/python_eager.py" --network "$1" --batch "$batch" --steps "$steps" --threads "$threads" "${@:2}"; }

echo "batch $batch, $threads threads, $("$program" --version | tr -s ' \n' ' ')"
printf '%-8s %10s %14s %22s %8s %8s\n' network ddpm_s python_s python_nhwc_s ratio ratio_nhwc
for network in ho labml; do
  config=$network
  [[ $network == ho ]] && config=cifar10
  for ((round = 0; round < rounds; ++round)); do
    a=$(ours "$config") b=$(peer "$network") c=$(peer "$network" --channels-last)
    printf '%-8s %10s %14s %22s %8.2f %8.2f\n' "$network" "$a" "$b" "$c" "$(bc -l <<<"$b/$a")" "$(bc -l <<<"$c/$a")"
  done
done
