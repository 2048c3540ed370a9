#!/usr/bin/env bash
# Checks that scripts/resume_loop.sh passes signals on to the program and waits until it has ended, with a
# stub in place of the program.
# usage: check_resume_loop.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
folder=$(mktemp -d)
loop=
clean_up() {
  [[ -z $loop ]] || pkill -KILL -P "$loop" || true # the stub, if something went wrong
  [[ -z $loop ]] || kill -KILL "$loop" 2>/dev/null || true
  rm -rf "$folder"
}
trap clean_up EXIT

# It notes the signals that it gets, saves for a while on USR1, and ends on the others as ddpm does.
cat >"$folder/stub" <<'END'
#!/usr/bin/env bash
cd "$(dirname "$0")" || exit 1
echo run >>runs
trap 'echo USR1 >>signals' USR1
trap 'echo HUP >>signals; sleep 0.3; echo saved >>signals; exit 129' HUP
trap 'echo INT >>signals; sleep 0.3; echo saved >>signals; exit 130' INT
trap 'echo TERM >>signals; sleep 0.3; echo saved >>signals; exit 143' TERM
trap 'echo QUIT >>signals; exit 131' QUIT # bash itself ignores it
[[ ! -e crash ]] || { rm crash; exit 1; }
echo ready >>signals
while true; do sleep 0.05; done
END
chmod +x "$folder/stub"

fail() {
  echo "$*" >&2
  cat "$folder"/signals "$folder"/log >&2 || true
  exit 1
}

wait_for() { # LINE: until the stub has noted it
  for _ in $(seq 200); do
    ! grep -qsx "$1" "$folder/signals" || return 0
    sleep 0.05
  done
  fail "the program did not note: $1"
}

start() {
  rm -f "$folder"/{signals,runs}
  set -m # else the loop would start with INT and QUIT ignored
  DDPM=$folder/stub DDPM_RETRY_SECONDS=${1:-0} scripts/resume_loop.sh --config x 2>"$folder/log" &
  loop=$!
  set +m
}

expect_end() { # CODE
  local status=0
  wait "$loop" || status=$?
  loop=
  ((status == $1)) || fail "exit code $status instead of $1"
  [[ $(cat "$folder/runs") == "${2:-run}" ]] || fail "it was started again"
}

for signal in HUP:129 INT:130 TERM:143; do
  start
  wait_for ready
  kill -USR1 "$loop"
  wait_for USR1
  kill -0 "$loop" || fail "USR1 ended the loop"
  kill "-${signal%:*}" "$loop"
  expect_end "${signal#*:}"
  grep -qx saved "$folder/signals" || fail "the loop did not wait for the program"
done

for signal in QUIT:131 USR2:140; do # they end the program
  start
  wait_for ready
  kill "-${signal%:*}" "$loop"
  expect_end "${signal#*:}"
done

# After a crash: USR1 in the pause does no harm, TERM ends the loop.
touch "$folder/crash"
start 30
for _ in $(seq 200); do
  ! grep -qs "starting again" "$folder/log" || break
  sleep 0.05
done
kill -TERM "$loop"
expect_end 143
touch "$folder/crash"
start 1
for _ in $(seq 200); do
  ! grep -qs "starting again" "$folder/log" || break
  sleep 0.05
done
kill -USR1 "$loop"
wait_for ready
kill -TERM "$loop"
expect_end 143 $'run\nrun'
echo "every signal arrives"
