#!/usr/bin/env bash
# usage: scripts/bench_growth.sh [--device NAME] [--precision NAME] [--seconds S] [--help]
#
# Measures how the cost of Ho et al.'s network grows with the batch, its width and the size of the images. Prints training and
# sampling speed, arithmetic per second and memory as a Markdown table, one line for each case.
#
#   --device NAME      where to run (default cuda)
#   --precision NAME   fp32, tf32 or bf16 (default bf16)
#   --seconds S        time for which each figure is measured, after warm-up (default 2)
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

device=cuda precision=bf16 seconds=2
while (($# > 0)); do
  case $1 in
    -h | --help) print_help && exit ;;
    --device) device=$2 && shift ;;
    --precision) precision=$2 && shift ;;
    --seconds) seconds=$2 && shift ;;
    *) die "unknown option $1; see --help" ;;
  esac
  shift
done

program=$(ddpm_program)

line() { # line BATCH WIDTH SIDE
  "$program" bench --config "$DDPM_ROOT/configs/cifar10.json" --device "$device" --precision "$precision" --seconds "$seconds" \
    --batch-size "$1" --set model.base_width="$2" --set data.height="$3" --set data.width="$3" --json --quiet | python3 -c '
import json, sys
r = json.load(sys.stdin)
t, s = r["training"], r["sampling"]
print("| {} | {} | {} | {:.0f} | {:.2f} | {:.0f} | {:.1f} | {:.0f} | {:.0f} |".format(
    *sys.argv[1:], t["images_per_second"], t["step_ms"], t["tflops"], t["peak_memory_bytes"] / 2**30,
    s["evaluations_per_second"], s["tflops"]))' "$@"
}

echo '| batch | width | pixels | training, images/s | step, ms | TFLOP/s | peak GiB | sampling, evaluations/s | TFLOP/s |'
echo '|---|---|---|---|---|---|---|---|---|'
for batch in 16 32 64 128 256 512; do line "$batch" 128 32; done
for width in 32 64 192 256; do line 64 "$width" 32; done
for side in 64 128; do line 32 128 "$side"; done
