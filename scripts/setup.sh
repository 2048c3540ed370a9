#!/usr/bin/env bash
# usage: scripts/setup.sh [--check] [--full] [--tests] [--no-apt] [--help]
#
# Installs what is needed to build ddpm and is missing on this machine: compiler, CMake and libraries with
# apt (Debian 12, Ubuntu 24.04 or later), and LibTorch from the `torch` wheel into .venv in this folder. If
# there is a LibTorch >= 2.6 already, it is used: the one that Torch_DIR or CMAKE_PREFIX_PATH names, or that
# of a python3. Takes seconds if nothing is missing.
#
#   --check    only report what is missing (exit code 1 if something is)
#   --full     install LibTorch with its CUDA libraries (4.5 GB instead of 1.3) even without a GPU
#   --tests    also install what only the tests need (GoogleTest, shellcheck)
#   --no-apt   do not install packages of the system
#   --help     this text
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# These versions were tested together. libtorch_cpu.so itself loads the two NVIDIA libraries, with or
# without a GPU.
TORCH_VERSION=2.11.0
TORCH_MINIMUM=2.6
# The matching CUDA compiler, for machines with a GPU but no toolkit.
NVCC_PACKAGES=(nvidia-cuda-nvcc==13.0.88 nvidia-cuda-crt==13.0.88 nvidia-nvvm==13.0.88
  nvidia-cuda-cccl==13.0.85)
SLIM_PACKAGES=("torch==$TORCH_VERSION" nvidia-cuda-runtime==13.0.96 nvidia-cuda-cupti==13.0.85)
CMAKE_MINIMUM=3.24

check_only=no full=no tests=no use_apt=yes
for argument in "$@"; do
  case $argument in
    --check) check_only=yes ;;
    --full) full=yes ;;
    --tests) tests=yes ;;
    --no-apt) use_apt=no ;;
    -h | --help) print_help && exit ;;
    *) die "unknown argument '$argument' (see --help)" ;;
  esac
done
if [[ -e /dev/nvidiactl || -e /dev/dxg ]]; then
  full=yes  # a GPU
fi

# --- LibTorch ---------------------------------------------------------------------------------------
at_least() { [[ $(printf '%s\n' "$1" "$2" | sort -V | head -n 1) == "$1" ]]; } # at_least MINIMUM VERSION

# Whether every library that DIR/lib/NAME.so loads exists; the driver's libcuda may be missing.
loads() {
  local library=$1/lib/$2.so
  [[ -e $library ]] && ! ldd "$library" | grep -v 'libcuda\.so' | grep -q 'not found'
}

# Whether DIR, the folder of a torch package or LibTorch archive, is new and complete enough.
usable() {
  local version
  version=$(sed -nE 's/^set\(PACKAGE_VERSION "([0-9.]+).*/\1/p' \
    "$1/share/cmake/Torch/TorchConfigVersion.cmake" 2>/dev/null) || return 1
  at_least "$TORCH_MINIMUM" "$version" && loads "$1" libtorch_cpu || return 1
  [[ $full == no ]] || loads "$1" libtorch_cuda
}

# Prints the folder of the torch package of a Python, without importing it.
torch_of_python() {
  "$1" -c "import importlib.util as u; print(u.find_spec('torch').submodule_search_locations[0])" \
    2>/dev/null
}

# Prints where LibTorch is; searches in the order of cmake/LibTorch.cmake.
find_torch() {
  local folder python
  local folders=("${Torch_DIR:-/nonexistent}/../../..")
  IFS=: read -ra prefixes <<<"${CMAKE_PREFIX_PATH:-}"
  for folder in "${prefixes[@]}"; do
    folders+=("$folder/../.." "$folder")  # torch/share/cmake, as torch.utils.cmake_prefix_path says; torch
  done
  for python in "$DDPM_ROOT/.venv/bin/python" python3 python; do
    folder=$(torch_of_python "$python") && folders+=("$folder")
  done
  for folder in "${folders[@]}"; do
    if usable "$folder"; then
      realpath "$folder"
      return
    fi
  done
  return 1
}

install_torch() {
  local venv=$DDPM_ROOT/.venv pip=("$DDPM_ROOT/.venv/bin/python" -m pip)
  pip+=(install --disable-pip-version-check --no-cache-dir --quiet --progress-bar off)
  [[ -x $venv/bin/pip ]] || python3 -m venv --clear "$venv"
  if [[ $full == no ]]; then
    say "installing LibTorch $TORCH_VERSION for the CPU into .venv (1.3 GB, some minutes)"
    "${pip[@]}" --no-deps "${SLIM_PACKAGES[@]}" || die "pip could not install LibTorch (see above)"
    usable "$(torch_of_python "$venv/bin/python")" && return
    say "LibTorch needs more packages on this kind of machine; installing its dependencies"
  fi
  say "installing LibTorch $TORCH_VERSION with its CUDA libraries into .venv (4.5 GB, some minutes)"
  "${pip[@]}" "torch==$TORCH_VERSION" || die "pip could not install LibTorch (see above)"
  if ! command -v nvcc >/dev/null && [[ ! -x /usr/local/cuda/bin/nvcc ]]; then
    install_nvcc
  fi
}

# A failure here is not an error: without a CUDA compiler the program works too, but several times slower.
install_nvcc() {
  say "installing the CUDA compiler into .venv"
  "$DDPM_ROOT/.venv/bin/python" -m pip install --disable-pip-version-check --no-cache-dir --quiet \
    --no-deps "${NVCC_PACKAGES[@]}" || say "there is no CUDA compiler, so the program will have no kernels"
  local cuda
  cuda=$(dirname "$(torch_of_python "$DDPM_ROOT/.venv/bin/python")")/nvidia/cu13
  # CMake looks for these names of a toolkit, but the packages have others.
  [[ -e $cuda/lib64 ]] || ln -s lib "$cuda/lib64"
  [[ -e $cuda/lib/libcudart.so ]] || ln -s libcudart.so.13 "$cuda/lib/libcudart.so"
}

# --- System packages ----------------------------------------------------------------------------------
missing=()
need_command() { command -v "$1" >/dev/null || missing+=("$2"); }
need_package() {
  [[ $(dpkg-query -W -f '${Status}' "$1" 2>/dev/null) == *" installed" ]] || missing+=("$1")
}

collect_missing_packages() {
  need_command "${CXX:-g++}" g++
  need_command cmake cmake
  need_command ninja ninja-build
  need_command python3 python3
  if command -v dpkg-query >/dev/null; then
    local package
    for package in zlib1g-dev libssl-dev ca-certificates pkgconf \
      libcli11-dev nlohmann-json3-dev libspdlog-dev libstb-dev libwebp-dev; do
      need_package "$package"
    done
    if [[ $tests == yes ]]; then
      need_package libgtest-dev
      need_package libsndfile1-dev
      need_package libsoxr-dev
      need_command shellcheck shellcheck
    fi
  fi
  if [[ -z $torch ]] && ! python3 -c 'import ensurepip' 2>/dev/null; then
    missing+=(python3-venv)
  fi
}

install_packages() {
  local as_root=()
  if ((EUID != 0)); then
    as_root=(sudo)
    if ! command -v sudo >/dev/null || ! { sudo -n true 2>/dev/null || [[ -t 0 ]]; }; then
      die "these packages are missing, and this user is not allowed to install them. Ask an administrator to run
    apt-get update && apt-get install --no-install-recommends -y ${missing[*]}
and call this script again."
    fi
  fi
  command -v apt-get >/dev/null || die "this system has no apt. Install the packages that Debian calls
    ${missing[*]}
with its package manager, then call this script again with --no-apt."

  say "installing ${missing[*]}"
  local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0)
  "${apt[@]}" update
  "${apt[@]}" install --no-install-recommends -y "${missing[@]}" >&2
}

# --- Main ---------------------------------------------------------------------------------------------
torch=$(find_torch) || torch=""
collect_missing_packages

if [[ $check_only == yes ]]; then
  echo "missing packages: ${missing[*]:-none}"
  echo "LibTorch: ${torch:-missing}"
  [[ -n $torch && ${#missing[@]} == 0 ]]
  exit
fi

if ((${#missing[@]} > 0)); then
  if [[ $use_apt == yes ]]; then
    install_packages
  else
    say "not installed, because of --no-apt: ${missing[*]}"
  fi
fi
cmake_version=$(cmake --version | awk 'NR == 1 {print $3}')
at_least "$CMAKE_MINIMUM" "$cmake_version" ||
  die "CMake >= $CMAKE_MINIMUM is needed, this system has $cmake_version.
Newer ones: https://cmake.org/download/ or, in an active virtual environment, pip install cmake"

if [[ -z $torch ]]; then
  install_torch
  torch=$(find_torch) || die "LibTorch was installed into .venv but does not load:
$(ldd "$(torch_of_python "$DDPM_ROOT/.venv/bin/python")/lib/libtorch_cpu.so" | grep 'not found')"
fi
say "everything is installed; LibTorch is $torch"
