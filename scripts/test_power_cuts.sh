#!/usr/bin/env bash
# usage: sudo scripts/test_power_cuts.sh [--cuts N] [--seed N] [--help]
#
# Cuts the power of a training run's disk N times (default 50) and resumes the run each time. The disk is an ext4
# file system in an image file. As in xfstests (EXT4_IOC_SHUTDOWN), after a cut nothing more reaches the disk,
# neither data nor journal, so everything that was not synced is lost. Fails unless every checkpoint that was
# reported as saved still exists and loads, and the run ends with exactly the bytes of an undisturbed run. Needs
# root, a loop device, mkfs.ext4 and python3 (exit code 77 without them). Environment: DDPM is the program (default
# build/release/ddpm).
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

cuts=50 RANDOM=1 arguments=("$@")
while (($# > 0)); do
  case $1 in
    -h | --help) print_help && exit ;;
    --cuts) cuts=$2 && shift ;;
    --seed) RANDOM=$2 && shift ;;
    *) die "unknown argument '$1' (see --help)" ;;
  esac
  shift
done

skip() {
  echo "skipped: $*"
  exit 77
}
program=$(realpath "$(ddpm_program)") || die "there is no program: run scripts/build.sh"
[[ $EUID == 0 ]] || skip "only root can mount"
[[ -n ${MOUNTS_OF_ITS_OWN:-} ]] || MOUNTS_OF_ITS_OWN=1 exec unshare --mount bash "$0" "${arguments[@]}"

folder=$(mktemp -d)
trap 'cd /; umount "$folder/disk" 2>/dev/null; rm -rf "$folder"' EXIT
cd "$folder"
mkdir disk
truncate -s 64M image
mkfs.ext4 -q image || skip "there is no mkfs.ext4"
# noauto_da_alloc: ext4 must not sync by itself where it guesses that a program forgot to.
mount_disk() { mount -o loop,noauto_da_alloc image disk; }
mount_disk || skip "an image cannot be mounted here"

cut_power() {
  python3 - disk <<'PYTHON'
import fcntl, os, struct, sys
EXT4_IOC_SHUTDOWN, NO_LOG_FLUSH = 0x8004587D, 2
fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), EXT4_IOC_SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
PYTHON
}

cat >tiny.json <<'JSON'
{
  "run": {"threads": 1},
  "model": {"base_width": 8, "width_multipliers": [1, 2], "blocks_per_level": 1, "attention": [false, true],
            "groups": 4, "final_groups": 4},
  "diffusion": {"timesteps": 20},
  "data": {"source": "embedded", "cache": "off"},
  "training": {"steps": 1000000, "batch_size": 4, "micro_batches": 2, "warmup_steps": 100, "log_every": 1,
               "sample_every": 0, "checkpoint_every": 1}
}
JSON
command=("$program" train --config tiny.json --progress off)
cut_run=(--set run.directory=disk/runs --set run.name=cut)
# The last step that this process reported as saved; 0 if none.
reported() { sed -nE 's/.*checkpoint .*step_0*([0-9]+) \(.*/\1/p' err.txt | tail -n 1 | grep . || echo 0; }
newest() { sed -E 's/step_0*([0-9])/\1/' disk/runs/cut/checkpoints/latest 2>/dev/null || echo 0; }

# Measures the time of a run with one step: cuts come after half of that time or later.
started=$(date +%s%3N)
"${command[@]}" --set run.name=first --set training.steps=1 >/dev/null 2>&1
startup=$(($(date +%s%3N) - started))

steps=0 lost=0
for ((cut = 1; cut <= cuts; ++cut)); do
  "${command[@]}" "${cut_run[@]}" --resume auto >out.txt 2>err.txt &
  child=$!
  delay=$((startup / 2 + RANDOM % (startup + 500)))
  sleep "$(printf '%d.%03d' $((delay / 1000)) $((delay % 1000)))"
  cut_power
  saved=$(reported)
  kill -KILL "$child" 2>/dev/null || die "cut $cut: the program had ended by itself: $(cat err.txt)"
  wait "$child" 2>/dev/null || true
  umount disk
  mount_disk
  grep -q 'damaged' err.txt && die "cut $cut: a damaged checkpoint was left: $(cat err.txt)"
  after=$(newest)
  ((after >= saved && after >= steps)) || die "cut $cut: steps $steps and $saved were saved, and now there is $after"
  ((after == 0)) && lost=$((lost + 1))
  steps=$after
done

before=$steps
steps=$((steps + 3))
"${command[@]}" "${cut_run[@]}" --resume auto --set training.steps=$steps >/dev/null 2>err.txt || die "$(cat err.txt)"
grep -q 'damaged' err.txt && die "a damaged checkpoint was left: $(cat err.txt)"
"${command[@]}" --set run.name=straight --set training.steps=$steps --set training.checkpoint_every=0 >/dev/null 2>&1
name=$(printf 'step_%08d' "$steps")
for file in model ema optimizer; do
  cmp "disk/runs/cut/checkpoints/$name/$file.safetensors" "runs/straight/checkpoints/$name/$file.safetensors" ||
    die "after $cuts cuts $file.safetensors differs from that of an undisturbed run"
done
echo "$cuts power cuts, $lost of them before the first checkpoint: $before steps, equal bytes after $steps"
