#!/usr/bin/env bash
# usage: small_disk.sh DDPM
#
# Trains with the program DDPM on a disk of 2 MB that fills up during training and gets space again, is full at the
# end, and is full before the start. Checks that no checkpoint is lost and that every failure is reported. Exit code 77
# (skipped): file systems cannot be mounted, not even in a new name space.
set -euo pipefail

program=$(realpath "$1")
if [[ ${2:-} != inside ]]; then
  # In the new name space the user is root, and others do not see the mounts.
  if ! unshare --user --map-root-user --mount bash -c 'mount -t tmpfs tmpfs /mnt' 2>/dev/null; then
    echo "skipped: a tmpfs cannot be mounted here"
    exit 77
  fi
  exec unshare --user --map-root-user --mount bash "$0" "$program" inside
fi

die() {
  echo "error: $*" >&2
  cat err.txt >&2
  exit 1
}
# Waits until a condition (a command) holds; fails if the program ends before.
wait_for() {
  until "$@"; do
    kill -0 "$child" 2>/dev/null || die "the program ended before: $*"
    sleep 0.05
  done
}
says() { grep -q "$1" err.txt; }
ends_with() {
  local status=0
  wait "$child" || status=$?
  ((status == $1)) || die "exit code $status instead of $1"
}

folder=$(mktemp -d)
trap 'cd /; umount "$folder/disk"; rm -rf "$folder"' EXIT
mkdir "$folder/disk"
mount -t tmpfs -o size=2m tmpfs "$folder/disk"
cd "$folder"
cat >tiny.json <<'JSON'
{
  "run": {"threads": 1, "directory": "disk"},
  "model": {"base_width": 8, "width_multipliers": [1, 2], "blocks_per_level": 1, "attention": [false, true], "groups": 4,
            "final_groups": 4},
  "diffusion": {"timesteps": 20},
  "data": {"source": "embedded", "cache": "off"},
  "training": {"steps": 1000000, "batch_size": 4, "log_every": 1000, "sample_every": 0, "checkpoint_every": 0,
               "keep_checkpoints": 1}
}
JSON
start() {
  "$program" train --config tiny.json --set run.name=a "$@" >out.txt 2>err.txt &
  child=$!
}
trap_ready() { [[ -e disk/a/metrics.jsonl ]]; }
saved() { [[ -s disk/a/checkpoints/latest ]]; }
newer() { [[ $(<disk/a/checkpoints/latest) != "$1" ]]; }

# The disk fills up between two saves. The second save fails and is reported, and the first checkpoint stays. Once
# there is space, the next attempt succeeds; the program makes it by itself within a minute.
start
wait_for trap_ready
kill -USR1 "$child"
wait_for saved
first=$(<disk/a/checkpoints/latest)
dd if=/dev/zero of=disk/filler bs=1k status=none 2>/dev/null || true
kill -USR1 "$child"
wait_for says 'could not be saved: .*No space left on device'
newer "$first" && die "latest has changed"
rm disk/filler
wait_for newer "$first"
kill -TERM "$child"
ends_with 143

# The disk is full at the end: exit code 4; the message names the newest checkpoint, and the next run resumes from it.
start --resume auto
wait_for says 'resumed from'
dd if=/dev/zero of=disk/filler bs=1k status=none 2>/dev/null || true
kill -TERM "$child"
ends_with 4
says 'the last checkpoint, .*could not be saved' || die "the message does not name the last checkpoint"
says 'The newest one is disk/a/checkpoints/step_' || die "the message does not name the newest checkpoint"

# The disk is full before the start.
start --resume auto
ends_with 1
says 'not enough space' || die "the message does not mention space"
rm disk/filler
start --resume auto --max-minutes 0.01
ends_with 0
echo "training survives a full disk of 2 MB"
