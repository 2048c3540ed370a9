#!/usr/bin/env bash
# Checks that no type of a namespace is defined in two headers. If one source file included the first
# and another the second, both would compile, and the linker would use the functions of only one type.
# usage: check_type_names.sh [ROOT]   (ROOT holds include/ddpm and src)
set -euo pipefail
cd "${1:-$(dirname "${BASH_SOURCE[0]}")/..}"

# Prints "namespace::Type file" for every definition that is not nested in a type or a function.
# clang-format puts these, and only these, at the beginning of a line.
definitions() {
  # shellcheck disable=SC2016  # awk, not the shell, expands these
  find include src -name '*.h' -o -name '*.cuh' | sort | xargs awk '
    FNR == 1 { namespace = "" }
    /^namespace [a-z_:]+ \{/ { namespace = $2 }
    /^namespace \{/ { namespace = FILENAME }
    /^(class|struct|union|enum( class)?) [A-Za-z_]+( final)?( :.*)? \{/ {
      name = $2 == "class" ? $3 : $2
      print namespace "::" name, FILENAME
    }'
}

twice=$(definitions | cut -d ' ' -f 1 | sort | uniq -d)
if [[ -n $twice ]]; then
  echo "defined in two headers:" >&2
  for type in $twice; do
    definitions | grep -F "$type " >&2
  done
  exit 1
fi
echo "$(definitions | wc -l) types, each defined in one header"
