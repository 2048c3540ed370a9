#!/usr/bin/env bash
# Runs shellcheck on every shell script of the repository. Exit code 77 (skipped): it is not installed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if ! command -v shellcheck >/dev/null; then
  echo "skipped: shellcheck is not installed"
  exit 77
fi
shopt -s nullglob
scripts=(scripts/*.sh tests/*.sh tests/*/*.sh .ci/run)
shellcheck --external-sources --source-path=SCRIPTDIR "${scripts[@]}"
echo "${#scripts[@]} scripts pass shellcheck"
