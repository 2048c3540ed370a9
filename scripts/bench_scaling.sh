#!/usr/bin/env bash
# usage: scripts/bench_scaling.sh [--gpus "1 2 4 8"] [--batches "128 512"] [--config FILE] [--quick] [--help]
#
# Measures how training and sampling scale with the GPUs of this machine, each with the same number of images a GPU: the CIFAR-10 network in
# bf16 on the images inside the program. All figures come from one call, on the same cards. On two GPUs it takes about six minutes.
# Prints a table; a figure is the mean over the second half of a run's steps, after set-up and recording.
#
#   --gpus LIST      numbers of GPUs (default: 1, 2, 4, 8 ... up to all)
#   --batches LIST   images a GPU (default: 128 512)
#   --config FILE    another network (default: configs/cifar10.json)
#   --quick          only training with gradients in bf16
#
# Environment: DDPM is the program (default build/release/ddpm). NCCL_NVLS_ENABLE=0 is set unless it was set before.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

present=$( (nvidia-smi --list-gpus 2>/dev/null || true) | wc -l)
gpus="" batches="128 512" config=$DDPM_ROOT/configs/cifar10.json quick=no
while (($# > 0)); do
  case $1 in
    -h | --help) print_help && exit ;;
    --gpus) gpus=$2 && shift ;;
    --batches) batches=$2 && shift ;;
    --config) config=$2 && shift ;;
    --quick) quick=yes ;;
    *) die "unknown option $1; see --help" ;;
  esac
  shift
done
((present > 0)) || die "this machine has no NVIDIA GPU"
if [[ -z $gpus ]]; then
  for ((n = 1; n <= present; n *= 2)); do gpus+=" $n"; done
fi
program=$(ddpm_program)
[[ -x $program ]] || die "$program does not exist: run scripts/build.sh, or set DDPM"
export NCCL_NVLS_ENABLE=${NCCL_NVLS_ENABLE:-0}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

now() { date +%s.%N; }
calculate() { awk "BEGIN {printf \"$1\", $2}"; }

# train NAME GPUS BATCH STEPS [options ...]: trains in $folder/NAME with BATCH images a GPU; prints the log if that fails.
train() {
  local name=$1 count=$2 batch=$3 steps=$4
  shift 4
  "$program" train --config "$config" --gpus "$count" --precision bf16 --overwrite --quiet \
    --set run.directory="$folder" --set run.name="$name" --set data.source=embedded --set data.height=32 --set data.width=32 \
    --set data.channels=3 --set data.cache=off --set training.batch_size=$((count * batch)) --set training.steps="$steps" \
    --set training.log_every=$(((steps + 7) / 8)) --set training.sample_every=0 --set training.checkpoint_every=0 --set training.checkpoint_minutes=0 \
    "$@" >"$folder/$name.out" 2>&1 || { cat "$folder/$name.out" >&2 && die "training on $count GPUs failed"; }
}

# rate NAME: images a second of a run, from the line in the middle of its metrics to the last.
rate() {
  awk '{match($0, /"images": *[0-9]+/); images[NR] = substr($0, RSTART + 9, RLENGTH - 9) + 0
        match($0, /"elapsed_s": *[0-9.e+-]+/); seconds[NR] = substr($0, RSTART + 12, RLENGTH - 12) + 0}
       END {m = int(NR / 2); printf "%.1f", (images[NR] - images[m]) / (seconds[NR] - seconds[m])}' "$folder/$1/metrics.jsonl"
}

# watch_memory: prints the most MiB in use on GPU 0 until it is killed.
watch_memory() {
  local most=0 used
  trap 'echo $most >"$folder/memory"; exit' TERM
  while true; do
    used=$(nvidia-smi --id=0 --query-gpu=memory.used --format=csv,noheader,nounits)
    ((used > most)) && most=$used
    sleep 0.5
  done
}

"$program" --version | tr -s ' \n' ' '
echo
nvidia-smi --query-gpu=name,driver_version --format=csv,noheader | head -n 1
echo
echo "| GPUs | images a GPU | gradients | images/s | times one GPU | MiB on GPU 0 |"
echo "|---|---|---|---|---|---|"
types="bf16 fp32"
[[ $quick == no ]] || types=bf16
for type in $types; do
  for batch in $batches; do
    # About 12 seconds on an H100, whatever the batch.
    steps=$(calculate %d "12 / (0.003 + 0.000082 * $batch)")
    steps=$((steps / 40 * 40 + 40))
    one=
    for count in $gpus; do
      watch_memory &
      watcher=$!
      train run "$count" "$batch" "$steps" --set training.reduce_dtype="$type"
      kill "$watcher"
      wait "$watcher" || true
      images=$(rate run)
      one=${one:-$images}
      echo "| $count | $batch | $type | $images | $(calculate %.3f "$images / $one") | $(cat "$folder/memory") |"
    done
  done
done
[[ $quick == no ]] || exit 0

echo
echo "| GPUs | start: seconds to the end of a run of one step |"
echo "|---|---|"
for count in $gpus; do
  begun=$(now)
  train start "$count" 128 1
  echo "| $count | $(calculate %.2f "$(now) - $begun") |"
done

# Sampling: the time of many images less that of one batch a GPU, so that the start does not count.
train model 1 128 1
sample() { # sample GPUS COUNT
  "$program" sample --model "$folder/model" --gpus "$1" --precision bf16 --steps 100 --count "$2" --batch-size 512 \
    --output "$folder/samples.npz" --overwrite --quiet >"$folder/sample.out" 2>&1 || { cat "$folder/sample.out" >&2 && die "sampling failed"; }
}
seconds_of() {
  local begun
  begun=$(now)
  "$@"
  calculate %.3f "$(now) - $begun"
}
echo
echo "| GPUs | sampled images/s (100 steps, batches of 512) | times one GPU |"
echo "|---|---|---|"
one=
for count in $gpus; do
  short=$(seconds_of sample "$count" $((512 * count)))
  long=$(seconds_of sample "$count" $((512 * count + 4096)))
  images=$(calculate %.1f "4096 / ($long - $short)")
  one=${one:-$images}
  echo "| $count | $images | $(calculate %.3f "$images / $one") |"
done
