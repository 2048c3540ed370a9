#!/usr/bin/env bash
# usage: sbatch [sbatch options] scripts/slurm_train.sh [ddpm train options ...] [--help]
#
# Runs `ddpm train OPTIONS --resume auto` with a process on each GPU of a job of Slurm. Five minutes before the time of the job is over
# all processes save a checkpoint and stop, and the job is queued again and goes on from there, until training is done. The same happens when
# the job is preempted or a node fails. Ask for other resources by options of sbatch, which come before this script:
#
#   sbatch --nodes 4 --gpus-per-node 8 --ntasks-per-node 8 --time 4:00:00 scripts/slurm_train.sh --config configs/cifar10.json
#
# Environment: DDPM is the program (default build/release/ddpm below the folder in which sbatch is called).
#SBATCH --job-name=ddpm
#SBATCH --output=ddpm-%j.log
#SBATCH --open-mode=append
#SBATCH --requeue
#SBATCH --signal=B:USR1@300
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=8
set -euo pipefail

case ${1:---help} in
  -h | --help) sed -n '2,/^[^#]/{s/^# \{0,1\}//p}' "$0" | grep -v '^SBATCH' && exit ;;
esac
# Slurm runs a copy of this script, so its own folder says nothing.
program=${DDPM:-${SLURM_SUBMIT_DIR:-.}/build/release/ddpm}
[[ -x $program ]] || { echo "error: $program does not exist: run scripts/build.sh, or set DDPM" >&2 && exit 1; }

# srun would answer SIGTERM by killing the processes at once; scancel lets them save.
again=no
# shellcheck disable=SC2317 # the trap calls it
stop() {
  again=yes
  scancel --signal=TERM "$SLURM_JOB_ID.0"
}
trap stop USR1

srun --kill-on-bad-exit=1 --cpu-bind=cores "$program" train "$@" --resume auto &
step=$!
status=0
while kill -0 "$step" 2>/dev/null; do
  status=0
  wait "$step" || status=$? # a signal makes it return early
done
if [[ $again == yes ]]; then
  echo "the time of the job is over; it is queued again" >&2
  scontrol requeue "$SLURM_JOB_ID"
  exit 0
fi
exit "$status"
