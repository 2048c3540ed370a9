#!/usr/bin/env bash
# Checks the folders in which the loader looks for a program's libraries. An empty entry, as in
# "/opt/torch/lib:", means the current folder, where anybody may have put a library.
# usage: check_runpath.sh PROGRAM...   or   check_runpath.sh --install BUILD_FOLDER
# Exit code 77: there is no readelf. A program that was not built is passed over.
set -euo pipefail
if ! command -v readelf >/dev/null; then
  echo "skipped: readelf (binutils) is not installed"
  exit 77
fi

if [[ ${1:-} == --install ]]; then
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
  cmake --install "$2" --prefix "$folder" >/dev/null
  set -- "$folder/bin/ddpm"
  # It must find its libraries from any folder.
  (cd / && "$folder/bin/ddpm" --version >/dev/null)
fi

checked=0
failures=0
for program in "$@"; do
  [[ -e $program ]] || continue
  checked=$((checked + 1))
  # "0x... (RUNPATH)  Library runpath: [/opt/torch/lib:/usr/lib]"
  paths=$(readelf -d "$program" | sed -nE 's/.*\((RUNPATH|RPATH)\).*\[(.*)\]$/\2/p')
  while IFS= read -r path; do
    case ":$path:" in
      *::*)
        echo "$program: RUNPATH '$path' has an empty entry" >&2
        failures=$((failures + 1))
        ;;
    esac
  done < <(printf '%s' "${paths:+$paths$'\n'}")
done
if ((checked == 0)); then
  echo "no program to check: $*" >&2
  exit 1
fi
exit $((failures > 0))
