#!/usr/bin/env bash
# Checks that code includes only lower levels (CONTRIBUTING.md), that folders of one level do not
# include each other, and that levels 1 and 2, runs, tokenizer and interop stay free of LibTorch.
# usage: check_levels.sh [ROOT]   (ROOT holds include/ddpm and src)
set -euo pipefail
cd "${1:-$(dirname "${BASH_SOURCE[0]}")/..}"

declare -A level=(
  [base]=1
  [config]=2 [formats]=2 [image]=2 [audio]=2 [metrics]=2 [kernels]=2
  [architecture]=3 [runs]=3 [tokenizer]=3 [device]=3
  [interop]=4 [ops]=4 [distributed]=4
  [nn]=5 [diffusion]=5 [data]=5 [io]=5
  [sampling]=6
  [evaluation]=7
  [training]=8
  [bench]=9
  [cli]=10
)
failures=0
complain() {
  echo "$1" >&2
  failures=$((failures + 1))
}

for path in include/ddpm/*/ src/*/; do
  folder=$(basename "$path")
  if [[ -z ${level[$folder]:-} ]]; then
    complain "$path: no level is known for this folder; add it to tests/check_levels.sh"
    continue
  fi
  own=${level[$folder]}

  # Lines such as  src/nn/unet.cpp:3:#include "ddpm/ops/attention.h"
  while IFS=: read -r file line text; do
    included=$(sed -E 's|.*"ddpm/([^/"]+)/.*|\1|' <<<"$text")
    other=${level[$included]:-99}
    if [[ $included != "$folder" && $other -ge $own ]]; then
      complain "$file:$line: $folder (level $own) includes $included (level $other)"
    fi
  done < <(grep -rnE '^\s*#\s*include\s*"ddpm/[^/"]+/' "$path" --include='*.h' --include='*.cpp' --include='*.cu' --include='*.cuh' || true)

  if ((own <= 2)) || [[ $folder == architecture || $folder == runs || $folder == tokenizer || $folder == interop ]]; then
    while IFS= read -r hit; do
      complain "$hit: $folder (level $own) must not include LibTorch"
    done < <(grep -rnE '^\s*#\s*include\s*[<"](torch|ATen|c10)/' "$path" || true)
  fi
done

if ((failures > 0)); then
  echo "$failures violation(s) of the levels" >&2
  exit 1
fi
echo "every include goes to a lower level"
