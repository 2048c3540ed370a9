#!/usr/bin/env bash
# usage: scripts/sample_grid.sh MODEL [COUNT] [ddpm sample options ...] [--help]
#
# Generates COUNT images (default: 64) with a trained MODEL, for example a run directory, and writes them as
# one grid, grid.png in the current folder. Environment: DDPM is the program (default build/release/ddpm).
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

case ${1:---help} in
  -h | --help) print_help && exit ;;
esac
model=$1
shift
count=64
if [[ ${1:-} =~ ^[0-9]+$ ]]; then
  count=$1
  shift
fi

exec "$(ddpm_program)" sample --model "$model" --count "$count" --grid --output grid.png --overwrite "$@"
