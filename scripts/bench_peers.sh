#!/usr/bin/env bash
# usage: scripts/bench_peers.sh [--seconds S] [--batches "128 16 512"] [--only train|sample|images] [--help]
#
# Compares the training and sampling speed of this program with that of Python, in one run on one GPU: Ho et al.'s CIFAR-10 network
# in bf16 against diffusers' UNet2DModel under torch.compile (reduce-overhead, channels_last, forced layout optimisation, fused
# Adam), which takes minutes to compile. Prints a table with the ratios.
#
#   --seconds S      time for which each figure is measured, after warm-up (default 4)
#   --batches LIST   batch sizes (default: 128 16 512)
#   --only WHAT      measure only training (train), sampling (sample) or 64 images in 1000 steps (images)
#
# PYTHON names a Python that has torch with CUDA and diffusers; default: an environment in build/bench-venv, made if needed.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

seconds=4 batches="128 16 512" only=""
while (($# > 0)); do
  case $1 in
    -h | --help) print_help && exit ;;
    --seconds) seconds=$2 && shift ;;
    --batches) batches=$2 && shift ;;
    --only) only=$2 && shift ;;
    *) die "unknown option $1; see --help" ;;
  esac
  shift
done

python=$(bench_python)
program=$(ddpm_program)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export TORCHINDUCTOR_FORCE_LAYOUT_OPT=1 TORCHINDUCTOR_CACHE_DIR=$folder/inductor

peer() { "$python" "$DDPM_ROOT/scripts/bench/python_peer.py" --device cuda --bf16 --channels-last --seconds "$seconds" "$@"; }

row() { # row WHAT BATCH OURS PEER
  printf '%-10s %6s %12.1f %12.1f %8.2f\n' "$1" "$2" "$3" "$4" "$(awk "BEGIN {print $3 / $4}")"
}

"$program" --version | tr -s ' \n' ' '
"$python" -c 'import torch, diffusers; print("| torch", torch.__version__, "diffusers", diffusers.__version__, "|", torch.cuda.get_device_name())'
printf '%-10s %6s %12s %12s %8s\n' what batch ddpm compile ratio
for batch in $batches; do
  for what in train sample; do
    [[ -z $only || $only == "$what" ]] || continue
    "$program" bench --device cuda --precision bf16 --seconds "$seconds" --batch-size "$batch" --"$what" --json --quiet >"$folder/ours"
    peer --mode compile --batch "$batch" --what "$what" 2>/dev/null | tail -n 1 >"$folder/peer"
    if [[ $what == train ]]; then
      row train "$batch" "$(field '["training"]["images_per_second"]' <"$folder/ours")" "$(field '["per_second"]' <"$folder/peer")"
      echo "  seconds to a steady step: $(field '["training"]["seconds_to_steady_step"]' <"$folder/ours") against" \
        "$(field '["seconds_to_steady_step"]' <"$folder/peer"); peak GiB: $(field '["training"]["peak_memory_bytes"] / 2**30' <"$folder/ours")" \
        "against $(field '["peak_gib"]' <"$folder/peer")"
    else
      row sample "$batch" "$(field '["sampling"]["evaluations_per_second"]' <"$folder/ours")" "$(field '["per_second"]' <"$folder/peer")"
    fi
  done
done

if [[ -z $only || $only == images ]]; then
  # Measures whole processes: start, load, compile, draw. The model has one step of training; that does not change the time.
  "$program" train --config "$DDPM_ROOT/configs/cifar10.json" --quiet --device cuda --precision bf16 --set run.directory="$folder" \
    --set data.source=embedded --set training.steps=1 --set training.sample_every=0 >/dev/null
  start=$(date +%s.%N)
  "$program" sample --model "$folder/cifar10" --steps 1000 --count 64 --grid --output "$folder/grid.png" --device cuda --precision bf16 --quiet >/dev/null
  ours=$(awk "BEGIN {print $(date +%s.%N) - $start}")
  theirs=$(peer --mode compile --what images 2>/dev/null | tail -n 1 | field '["seconds"]')
  printf '64 images in 1000 steps, whole process: %.1f s against %.1f s\n' "$ours" "$theirs"
fi
