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
options=(-std=c++17 -O3 -Werror all-warnings -Iinclude)
others=()  # without Hopper
for architecture in "$@"; do
  code=-gencode=arch=compute_$architecture,code=sm_$architecture
  options+=("$code")
  if [[ $architecture == 90a ]]; then options+=(-DDDPM_WITH_HOPPER=1); else others+=("$code"); fi
done
# As in the build one call compiles a file for all architectures, the host's part only once.
for source in src/kernels/*.cu; do
  "$nvcc" "${options[@]}" -c "$source" -o "$object" || {
    echo "$source does not compile for $*" >&2
    exit 1
  }
done
# A build without Hopper leaves out a part of this file.
if ((${#others[@]} > 0)); then
  "$nvcc" -std=c++17 -O3 -Werror all-warnings -Iinclude "${others[@]}" -c src/kernels/hopper_convolution.cu -o "$object"
fi
echo "every kernel compiles for $*"
