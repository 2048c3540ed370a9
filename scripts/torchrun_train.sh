#!/usr/bin/env bash
# usage: scripts/torchrun_train.sh [torchrun options --] [ddpm train options ...] [--help]
#
# Runs `ddpm train OPTIONS --resume auto` with a process on each GPU of this machine, or on several machines with torchrun's options,
# and starts all processes again from the last checkpoint if one of them fails, at most 10 times:
#
#   scripts/torchrun_train.sh --config configs/cifar10.json --set data.path=DATA
#   scripts/torchrun_train.sh --nnodes 4 --rdzv-backend c10d --rdzv-endpoint n1:29400 --rdzv-id 7 -- --config configs/cifar10.json
#
# Environment: DDPM is the program (default build/release/ddpm), TORCHRUN is torchrun (default that of .venv, else of PATH).
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

case ${1:---help} in
  -h | --help) print_help && exit ;;
esac

program=$(ddpm_program)
[[ -x $program ]] || die "$program does not exist: run scripts/build.sh"
torchrun=${TORCHRUN:-$DDPM_ROOT/.venv/bin/torchrun}
command -v "$torchrun" >/dev/null || torchrun=torchrun
command -v "$torchrun" >/dev/null || die "torchrun is not installed; it is part of PyTorch"

options=()
if [[ " $* " == *" -- "* ]]; then
  while [[ $1 != -- ]]; do
    options+=("$1")
    shift
  done
  shift
else
  options=(--standalone)
fi
gpus=$( (nvidia-smi --list-gpus 2>/dev/null || true) | wc -l)
if [[ " ${options[*]} " != *" --nproc"* ]]; then
  ((gpus > 0)) || die "this machine has no GPU; say how many processes: scripts/torchrun_train.sh --nproc-per-node N -- ..."
  options+=(--nproc-per-node "$gpus")
fi
exec "$torchrun" --max-restarts 10 "${options[@]}" --no-python "$program" train "$@" --resume auto
