#!/usr/bin/env bash
# usage: scripts/bench_stable_diffusion.sh [--seconds S] [--cases "sd-v1:2 sd-v1:16 sdxl-base:2"] [--mode compile|eager] [--help]
#
# Compares evaluations of Stable Diffusion's UNet on one GPU, in bf16 with random weights, with diffusers under torch.compile
# (reduce-overhead, channels_last, forced layout optimisation), which takes minutes to compile. Prints milliseconds and the ratio.
#
#   --seconds S     time for which each figure is measured, after warm-up (default 4)
#   --cases LIST    CONFIG:BATCH, see configs/ (default: sd-v1:2 sd-v1:16 sdxl-base:2)
#   --mode M        the peer: compile (default) or eager
#
# PYTHON names a Python that has torch with CUDA and diffusers; default: an environment in build/bench-venv, made if needed.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

seconds=4 cases="sd-v1:2 sd-v1:16 sdxl-base:2" mode=compile
while (($# > 0)); do
  case $1 in
    -h | --help) print_help && exit ;;
    --seconds) seconds=$2 && shift ;;
    --cases) cases=$2 && shift ;;
    --mode) mode=$2 && shift ;;
    *) die "unknown option $1; see --help" ;;
  esac
  shift
done

python=$(bench_python)
program=$(ddpm_program)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export TORCHINDUCTOR_FORCE_LAYOUT_OPT=1 TORCHINDUCTOR_CACHE_DIR=$folder/inductor

"$program" --version | tr -s ' \n' ' '
"$python" -c 'import torch, diffusers; print("| torch", torch.__version__, "diffusers", diffusers.__version__, "|", torch.cuda.get_device_name())'
printf '%-12s %6s %10s %10s %8s %22s %20s\n' network batch "ddpm ms" "$mode ms" ratio "seconds to steady" "peak GiB"
for case in $cases; do
  network=${case%:*} batch=${case#*:}
  "$program" bench --config "$DDPM_ROOT/configs/$network.json" --device cuda --precision bf16 --seconds "$seconds" \
    --batch-size "$batch" --sample --json --quiet >"$folder/ours"
  "$python" "$DDPM_ROOT/scripts/bench/stable_diffusion_peer.py" --network "$network" --batch "$batch" --mode "$mode" \
    --seconds "$seconds" 2>/dev/null | tail -n 1 >"$folder/peer"
  ours=$(field '["sampling"]["evaluations_per_second"]' <"$folder/ours") theirs=$(field '["per_second"]' <"$folder/peer")
  printf '%-12s %6s %10.2f %10.2f %8.2f %10.1f %10.1f %10.2f %10.2f\n' "$network" "$batch" \
    "$(awk "BEGIN {print 1000 * $batch / $ours}")" "$(awk "BEGIN {print 1000 * $batch / $theirs}")" \
    "$(awk "BEGIN {print $ours / $theirs}")" \
    "$(field '["sampling"].get("seconds_to_steady_step", float("nan"))' <"$folder/ours")" \
    "$(field '["seconds_to_steady_step"]' <"$folder/peer")" \
    "$(field '["sampling"].get("peak_memory_bytes", float("nan")) / 2**30' <"$folder/ours")" \
    "$(field '["peak_gib"]' <"$folder/peer")"
done
