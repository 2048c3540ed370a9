#!/usr/bin/env bash
# usage: scripts/train_cifar10.sh DATA [ddpm train options ...] [--help]
#
# Trains the network of Ho et al. on CIFAR-10 on a machine with a GPU: sets up, builds, and trains until
# done, also after crashes (scripts/resume_loop.sh). Call it again to continue after an interruption. DATA
# is cifar-10-binary.tar.gz, the folder inside it, or any folder of images.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

case ${1:---help} in
  -h | --help) print_help && exit ;;
esac
[[ -e $1 ]] || die "$1 does not exist (see --help for what DATA can be)"
data=$(realpath "$1")
shift

trap : USR1 # there is nothing to save yet; resume_loop.sh passes signals on to the program
"$DDPM_ROOT/scripts/setup.sh"
"$DDPM_ROOT/scripts/build.sh" >/dev/null
cd "$DDPM_ROOT"
exec scripts/resume_loop.sh --config configs/cifar10.json --set data.path="$data" "$@"
