#!/usr/bin/env bash
# Compiles every CUDA kernel for one or more GPU architectures, with warnings as errors. Needs nvcc and
# the toolkit's headers, but no GPU and no LibTorch. Exit code 77 (skipped): there is no nvcc.
# usage: compile_kernels.sh [ARCHITECTURE ...]   (default: 80 90a)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

nvcc=$(command -v nvcc || command -v /usr/local/cuda/bin/nvcc || command -v .venv/lib/python3*/site-packages/nvidia/cu13/bin/nvcc) || {
  echo "skipped: no nvcc"
  exit 77
}
(($# > 0)) || set -- 80 90a
object=$(mktemp)
trap 'rm -f "$object"' EXIT
for architecture in "$@"; do
  defines=()
  [[ $architecture != 90a ]] || defines+=(-DDDPM_WITH_HOPPER=1)
  for source in src/kernels/*.cu; do
    "$nvcc" -std=c++17 -O3 "-gencode=arch=compute_$architecture,code=sm_$architecture" "${defines[@]}" \
      -Werror all-warnings -Iinclude -c "$source" -o "$object" || {
      echo "$source does not compile for sm_$architecture" >&2
      exit 1
    }
  done
  echo "every kernel compiles for sm_$architecture"
done
