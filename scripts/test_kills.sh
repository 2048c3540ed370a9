#!/usr/bin/env bash
# usage: scripts/test_kills.sh [--kills N] [--seed N] [--help]
#
# Kills a training run N times (default 200) with SIGKILL at random moments, most of them while a
# checkpoint is being written, and resumes it each time. Fails unless every resume finds a checkpoint that
# loads, no saved step is ever lost, and the run ends with exactly the bytes of an undisturbed run. Takes
# about two seconds for each kill. Environment: DDPM is the program (default build/release/ddpm).
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

kills=200 RANDOM=1
while (($# > 0)); do
  case $1 in
    -h | --help) print_help && exit ;;
    --kills) kills=$2 && shift ;;
    --seed) RANDOM=$2 && shift ;;
    *) die "unknown argument '$1' (see --help)" ;;
  esac
  shift
done

program=$(realpath "$(ddpm_program)") || die "there is no program: run scripts/build.sh"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

# There is a checkpoint after every step, so that the run does little else, and accumulation and warm-up.
cat >tiny.json <<'JSON'
{
  "run": {"threads": 1},
  "model": {"base_width": 8, "width_multipliers": [1, 2], "blocks_per_level": 1, "attention": [false, true],
            "groups": 4, "final_groups": 4},
  "diffusion": {"timesteps": 20},
  "data": {"source": "embedded"},
  "training": {"steps": 1000000, "batch_size": 4, "micro_batches": 2, "warmup_steps": 100, "log_every": 1,
               "sample_every": 0, "checkpoint_every": 1}
}
JSON
command=("$program" train --config tiny.json --quiet)
newest() { sed -E 's/step_0*([0-9])/\1/' runs/killed/checkpoints/latest 2>/dev/null || echo 0; }
now_ms() { date +%s%3N; }

# Measures how long the program takes for one step: kills come after half of that time or later.
started=$(now_ms)
"${command[@]}" --set run.name=first --set training.steps=1 >/dev/null
startup=$(($(now_ms) - started))

inside=0 before=0 resumed=0
for ((kill = 1; kill <= kills; ++kill)); do
  "${command[@]}" --set run.name=killed --resume auto >out.txt 2>err.txt &
  child=$!
  delay=$((startup / 2 + RANDOM % (startup + 500)))
  sleep "$(printf '%d.%03d' $((delay / 1000)) $((delay % 1000)))"
  kill -KILL "$child" 2>/dev/null || die "kill $kill: the program had ended by itself: $(cat err.txt)"
  wait "$child" 2>/dev/null || true
  compgen -G 'runs/killed/checkpoints/.writing_*' >/dev/null && inside=$((inside + 1))
  grep -q 'damaged' err.txt && die "kill $kill: a damaged checkpoint was left: $(cat err.txt)"
  after=$(newest)
  ((after >= before)) || die "kill $kill: step $before was saved, and now the newest is $after"
  ((after > before && before > 0)) && resumed=$((resumed + 1))
  before=$after
done

steps=$((before + 3))
"${command[@]}" --set run.name=killed --resume auto --set training.steps=$steps >/dev/null
"${command[@]}" --set run.name=straight --set training.steps=$steps --set training.checkpoint_every=0 >/dev/null
name=$(printf 'step_%08d' "$steps")
for file in model ema optimizer; do
  cmp "runs/killed/checkpoints/$name/$file.safetensors" "runs/straight/checkpoints/$name/$file.safetensors" ||
    die "after $kills kills $file.safetensors differs from that of an undisturbed run"
done
lines=$(wc -l <runs/killed/metrics.jsonl)
((lines == steps)) || die "metrics.jsonl has $lines lines for $steps steps"
echo "$kills kills, $inside of them during a save; $resumed resumes continued: $steps steps, equal bytes"
