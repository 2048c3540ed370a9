#!/usr/bin/env bash
# usage: scripts/quickstart.sh [--output DIR] [ddpm train options ...] [--help]
#
# Goes from a bare machine to generated images: installs what is missing (scripts/setup.sh), builds, trains
# a small network on the built-in data set, samples from it, and prints the paths of the image grid and of
# the loss plot. Training and sampling take about three minutes on two CPU cores.
#
#   --output DIR   the run directory (default: runs/quickstart); an existing one is overwritten
#   --help         this text
#
# All other options are passed to `ddpm train`, for example --set training.steps=500 or --device cuda.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

output=$DDPM_ROOT/runs/quickstart
options=()
while (($# > 0)); do
  case $1 in
    -h | --help) print_help && exit ;;
    --output)
      output=$(realpath -m "${2:?--output needs a folder}")
      shift
      ;;
    *) options+=("$1") ;;
  esac
  shift
done

"$DDPM_ROOT/scripts/setup.sh"
program=$("$DDPM_ROOT/scripts/build.sh")

"$program" train --config "$DDPM_ROOT/configs/quickstart.json" --overwrite \
  --set run.directory="$(dirname "$output")" --set run.name="$(basename "$output")" \
  "${options[@]}" >&2
"$program" sample --model "$output" --count 64 --grid --output "$output/samples.png" --overwrite >&2

echo "generated images: $output/samples.png"
echo "loss plot:        $output/loss.png"
