#!/usr/bin/env bash
# Runs the model checker over ticket-table.pml and the files it includes: every check of the table below.
#
#   model/check.sh                 the quick form, for CI: the checks, the mutants and the known gaps
#   model/check.sh --full          the larger bounds as well
#   model/check.sh --only PATTERN  the checks whose name matches the (extended regular) expression
#   model/check.sh --story NAME    tells the error that the checker found, step by step
#   JOBS=2 model/check.sh          two checks at a time (default 1); each may take up to MEMORY_MB (default 6000)
#
# Needs spin and a C compiler: apt-get install -y --no-install-recommends spin gcc libc6-dev
set -u

here=$(cd "$(dirname "$0")" && pwd)
limit_s=${LIMIT_S:-300}
memory_mb=${MEMORY_MB:-6000}

# name | expectation | flags
#   holds   the whole state space within these bounds is searched, and no invariant is ever broken
#   caught  one guard is removed (M_...): the checker must find an error
#   gap     the rules as they are written break an invariant here; README.md tells how, and what closes it
quick_checks='
crashes                    | holds  | -DCRASHES=2 -DEXPIRIES=1
failures                   | holds  | -DCRASHES=1 -DFAILURES=2
three-workers              | holds  | -DWORKERS=3 -DCRASHES=1 -DEXPIRIES=1
crash-limit-3              | holds  | -DMAX_CRASHES=3 -DCRASHES=4 -DGRAPH=DIAMOND
isolation                  | holds  | -DISOLATION -DMAX_CRASHES=2 -DCRASHES=4 -DGRAPH=DIAMOND -DTICKETS=5
isolation-zombies          | holds  | -DISOLATION -DMAX_CRASHES=2 -DCRASHES=3 -DEXPIRIES=1 -DINTERRUPTS=1 -DGRAPH=CHAIN -DTICKETS=3
poison                     | holds  | -DPOISON -DCRASHES=3 -DMAX_CRASHES=2 -DFAILURES=1
one-slot                   | holds  | -DSLOTS=1 -DCRASHES=1 -DEXPIRIES=1 -DFAILURES=1
company-at-home            | holds  | -DKEEP=8 -DCRASHES=1 -DEXPIRIES=1 -DFAILURES=2
several-grants             | holds  | -DKEEP=8 -DSLOTS=2 -DEXTRA=1 -DCRASHES=1 -DEXPIRIES=1 -DFAILURES=1
company-granted-whole      | holds  | -DKEEP=8 -DEXTRA=8 -DCRASHES=1 -DEXPIRIES=1 -DFAILURES=1
no-continuation            | holds  | -DKEEP=0 -DGRAPH=DIAMOND -DTICKETS=5 -DCRASHES=1 -DEXPIRIES=1 -DFAILURES=1
lost-answers               | holds  | -DLOST=2 -DCRASHES=1 -DFAILURES=1
lost-answers-zombies       | holds  | -DLOST=1 -DCRASHES=1 -DEXPIRIES=1
shutdown                   | holds  | -DTICKETS=6 -DINTERRUPTS=1 -DCRASHES=1 -DEXPIRIES=1
shutdown-lost-answers      | holds  | -DTICKETS=6 -DINTERRUPTS=1 -DLOST=1 -DFAILURES=1
in-doubt                   | holds  | -DDOUBT=1 -DCRASHES=1 -DFAILURES=1
too-early                  | holds  | -DEARLY=1 -DFAILURES=2 -DCRASHES=1
alert                      | holds  | -DGRAPH=ALERTED -DCRASHES=2 -DEXPIRIES=1 -DFAILURES=3
late-copy                  | holds  | -DLATE_COPY=1 -DFAILURES=1 -DCRASHES=1
late-copy-manual           | holds  | -DLATE_COPY=1 -DMANUAL -DGRAPH=CHAIN -DFAILURES=2 -DCRASHES=1
cancel                     | holds  | -DCANCEL -DGRAPH=DIAMOND -DCRASHES=1 -DEXPIRIES=1
cancel-company             | holds  | -DCANCEL -DCRASHES=1
cancel-retries             | holds  | -DCANCEL -DGRAPH=DIAMOND -DFAILURES=2 -DINTERRUPTS=1
manual                     | holds  | -DMANUAL -DGRAPH=ALERTED -DFAILURES=3 -DCRASHES=1 -DEXPIRIES=1
manual-twice               | holds  | -DMANUAL -DPRESSES=2 -DGRAPH=ALERTED -DFAILURES=4 -DCRASHES=1 -DTICKETS=5
manual-company             | holds  | -DMANUAL -DFAILURES=3 -DCRASHES=1
manual-lost-answers        | holds  | -DMANUAL -DGRAPH=ALERTED -DFAILURES=2 -DLOST=1 -DCRASHES=1 -DEXPIRIES=1
manual-in-doubt            | holds  | -DMANUAL -DGRAPH=ALERTED -DFAILURES=2 -DDOUBT=2 -DCRASHES=1
manual-reset               | holds  | -DMANUAL -DRESET -DGRAPH=CHAIN -DFAILURES=3 -DCRASHES=1 -DEXPIRIES=1
manual-reset-untrimmed     | holds  | -DMANUAL -DRESET -DPRESSES=2 -DTRACE_LIMIT=15 -DGRAPH=CHAIN -DFAILURES=3 -DCRASHES=1 -DEXPIRIES=1
manual-shutdown            | holds  | -DMANUAL -DGRAPH=ALERTED -DFAILURES=2 -DINTERRUPTS=1 -DCRASHES=1
manual-cancel              | holds  | -DMANUAL -DCANCEL -DGRAPH=ALERTED -DFAILURES=2 -DCRASHES=1 -DEXPIRIES=1
pause                      | holds  | -DPAUSES=1 -DGRAPH=DIAMOND -DTICKETS=6 -DCRASHES=1 -DFAILURES=1
pause-zombies              | holds  | -DPAUSES=1 -DGRAPH=CHAIN -DTICKETS=6 -DCRASHES=1 -DEXPIRIES=1 -DFAILURES=1 -DLOST=1
pause-shutdown             | holds  | -DPAUSES=1 -DGRAPH=CHAIN -DTICKETS=6 -DINTERRUPTS=1 -DEARLY=1 -DFAILURES=1
pause-cancel               | holds  | -DPAUSES=1 -DCANCEL -DGRAPH=CHAIN -DTICKETS=5 -DCRASHES=1 -DEXPIRIES=1 -DFAILURES=1
pause-manual               | holds  | -DPAUSES=1 -DMANUAL -DGRAPH=CHAIN -DTICKETS=5 -DFAILURES=2 -DCRASHES=1
pause-twice                | holds  | -DPAUSES=2 -DGRAPH=DIAMOND -DTICKETS=6
pause-reconciler-diamond   | holds  | -DPAUSES=1 -DRESUMER_DIES -DRECONCILER -DEAGER -DGRAPH=DIAMOND -DTICKETS=6 -DCRASHES=1
pause-reconciler           | holds  | -DPAUSES=1 -DRESUMER_DIES -DRECONCILER -DEAGER -DGRAPH=CHAIN -DTICKETS=5 -DCRASHES=2
row-loss                   | holds  | -DROW_LOSS -DRECONCILER -DGRAPH=DIAMOND -DTICKETS=5 -DFAILURES=1
row-loss-zombies           | holds  | -DROW_LOSS -DRECONCILER -DGRAPH=CHAIN -DTICKETS=5 -DCRASHES=1 -DEXPIRIES=1 -DLOST=1
plan-b                     | holds  | -DGRAPH=PLAN_B -DMAX_RETRIES=0 -DFAILURES=3 -DCRASHES=1 -DEXPIRIES=1
plan-b-manual              | holds  | -DMANUAL -DPRESSES=2 -DGRAPH=PLAN_B -DMAX_RETRIES=0 -DFAILURES=3 -DTICKETS=5
reconciler                 | holds  | -DRECONCILER -DEAGER -DCRASHES=1 -DEXPIRIES=1 -DFAILURES=1
reconciler-lost-answers    | holds  | -DRECONCILER -DEAGER -DGRAPH=DIAMOND -DLOST=1 -DINTERRUPTS=1 -DEXPIRIES=1
reconciler-manual          | holds  | -DRECONCILER -DEAGER -DMANUAL -DGRAPH=ALERTED -DFAILURES=2 -DCRASHES=1 -DTICKETS=5
cancel-reconciler          | holds  | -DRECONCILER -DEAGER -DCANCEL -DGRAPH=DIAMOND -DCRASHES=1 -DTICKETS=5
queue-loss                 | holds  | -DRECONCILER -DQUEUE_LOSS -DTICKETS=6 -DCRASHES=1
queue-loss-failures        | holds  | -DRECONCILER -DQUEUE_LOSS -DTICKETS=6 -DGRAPH=DIAMOND -DFAILURES=1 -DEXPIRIES=1
tail                       | holds  | -DTAIL -DRECONCILER -DTICKETS=5 -DGRAPH=DIAMOND
tail-failures              | holds  | -DTAIL -DRECONCILER -DTICKETS=4 -DGRAPH=CHAIN -DFAILURES=2 -DEXPIRIES=1
tail-before-open           | holds  | -DTAIL -DRECONCILER -DTICKETS=5 -DGRAPH=DIAMOND -DBEFORE_OPEN
tail-before-failure        | holds  | -DTAIL -DRECONCILER -DTICKETS=3 -DGRAPH=CHAIN -DBEFORE_OPEN -DMAX_RETRIES=0 -DFAILURES=1

no-lock-fence              | caught | -DM_NO_LOCK_FENCE -DEXPIRIES=1
no-delivery-fence          | caught | -DM_NO_DELIVERY_FENCE -DLATE_COPY=1 -DFAILURES=1
no-fence                   | caught | -DM_NO_FENCE -DEXPIRIES=1
no-lease-fence             | caught | -DM_NO_LEASE_FENCE -DTAIL -DRECONCILER -DTICKETS=5 -DGRAPH=DIAMOND
lease-is-token             | caught | -DM_LEASE_IS_TOKEN -DMANUAL -DFAILURES=2
node-list-in-job           | caught | -DM_NODE_LIST_IN_JOB -DCRASHES=1
rows-not-owed              | caught | -DM_ROWS_NOT_OWED -DCRASHES=1
finish-before-add          | caught | -DM_FINISH_BEFORE_ADD -DCRASHES=1
no-scan                    | caught | -DM_NO_SCAN -DCRASHES=1
nothing-adds-nothing       | caught | -DM_NOTHING_ADDS_NOTHING -DCRASHES=1
stall-limit                | caught | -DM_STALL_LIMIT -DCRASHES=2
lost-not-closed            | caught | -DM_LOST_NOT_CLOSED -DCRASHES=1
no-crash-limit             | caught | -DM_NO_CRASH_LIMIT -DCRASHES=2
no-retry-limit             | caught | -DM_NO_RETRY_LIMIT -DFAILURES=2
no-dissolve                | caught | -DM_NO_DISSOLVE -DPOISON -DCRASHES=2 -DMAX_CRASHES=2
no-isolation               | caught | -DM_NO_ISOLATION -DISOLATION -DMAX_CRASHES=2 -DCRASHES=2 -DGRAPH=CHAIN
isolation-kept             | caught | -DM_ISOLATION_KEPT -DISOLATION -DMAX_CRASHES=2 -DCRASHES=3 -DGRAPH=DIAMOND -DTICKETS=5
no-cascade                 | caught | -DM_NO_CASCADE -DFAILURES=2
join-fires-early           | caught | -DM_JOIN_FIRES_EARLY
repeat-is-refused          | caught | -DM_REPEAT_IS_REFUSED -DLOST=1
same-lease-is-lost         | caught | -DM_SAME_LEASE_IS_LOST -DLOST=1
more-is-handed-back        | caught | -DM_MORE_IS_HANDED_BACK -DLOST=1
closing-hands-back         | caught | -DM_CLOSING_HANDS_BACK -DLOST=1 -DINTERRUPTS=1
hand-back-unsettled        | caught | -DM_HAND_BACK_UNSETTLED -DINTERRUPTS=1
settle-takes-any-slots     | caught | -DM_SETTLE_TAKES_ANY -DKEEP=8 -DSLOTS=1
settle-ignores-pause       | caught | -DM_SETTLE_IGNORES_PAUSE -DPAUSES=1 -DGRAPH=CHAIN
claim-ignores-pause        | caught | -DM_CLAIM_IGNORES_PAUSE -DPAUSES=1 -DGRAPH=DIAMOND
claim-keeps-paused         | caught | -DM_CLAIM_KEEPS_PAUSED -DPAUSES=1 -DGRAPH=DIAMOND
resume-gives-no-tickets    | caught | -DM_RESUME_GIVES_NO_TICKETS -DPAUSES=1 -DGRAPH=CHAIN
resume-without-reconciler  | caught | -DPAUSES=1 -DRESUMER_DIES -DGRAPH=CHAIN -DCRASHES=1
reconciler-leaves-parked   | caught | -DM_RECONCILER_LEAVES_PARKED -DPAUSES=1 -DRESUMER_DIES -DRECONCILER -DGRAPH=CHAIN -DCRASHES=1
adopts-nothing             | caught | -DM_ADOPTS_NOTHING -DROW_LOSS -DRECONCILER -DGRAPH=CHAIN
adopted-anew               | caught | -DM_ADOPTED_ANEW -DROW_LOSS -DRECONCILER -DGRAPH=CHAIN
forgives-nothing           | caught | -DM_FORGIVES_NOTHING -DGRAPH=PLAN_B -DMAX_RETRIES=0 -DFAILURES=1
forgiven-still-counts      | caught | -DM_FORGIVEN_STILL_COUNTS -DGRAPH=PLAN_B -DMAX_RETRIES=0 -DFAILURES=1
retry-under-forgiven       | caught | -DM_RETRY_UNDER_FORGIVEN -DMANUAL -DGRAPH=PLAN_B -DMAX_RETRIES=0 -DFAILURES=1
claim-ignores-cancel       | caught | -DM_CLAIM_IGNORES_CANCEL -DCANCEL -DGRAPH=DIAMOND
settle-ignores-cancel      | caught | -DM_SETTLE_IGNORES_CANCEL -DCANCEL -DGRAPH=DIAMOND
cancelled-comes-back       | caught | -DM_CANCELLED_COMES_BACK -DCANCEL -DGRAPH=DIAMOND
cancelled-retries          | caught | -DM_CANCELLED_RETRIES -DMANUAL -DCANCEL -DFAILURES=2
redelivery-retries         | caught | -DM_REDELIVERY_RETRIES -DMANUAL -DGRAPH=ALERTED -DFAILURES=2 -DCRASHES=1
stalled-means-redelivery   | caught | -DM_STALLED_MEANS_REDELIVERY -DMANUAL -DGRAPH=ALERTED -DFAILURES=2 -DCRASHES=1
stalled-must-grow          | caught | -DM_STALLED_MUST_GROW -DMANUAL -DGRAPH=CHAIN -DMAX_RETRIES=0 -DFAILURES=1 -DDOUBT=1
same-lease-retries         | caught | -DM_SAME_LEASE_RETRIES -DM_STALLED_MUST_GROW -DMANUAL -DGRAPH=CHAIN -DCRASHES=2 -DLOST=1
reset-unmarked             | caught | -DM_RESET_UNMARKED -DMANUAL -DRESET -DGRAPH=CHAIN -DMAX_RETRIES=0 -DFAILURES=1 -DCRASHES=1
retry-under-started        | caught | -DM_RETRY_UNDER_STARTED -DMANUAL -DGRAPH=ALERTED -DFAILURES=2
retry-keeps-end            | caught | -DM_RETRY_KEEPS_END -DMANUAL -DGRAPH=CHAIN -DFAILURES=2
retry-keeps-budget         | caught | -DM_RETRY_KEEPS_BUDGET -DMANUAL -DGRAPH=CHAIN -DFAILURES=2
retry-keeps-descendants    | caught | -DM_RETRY_KEEPS_DESCENDANTS -DMANUAL -DGRAPH=CHAIN -DFAILURES=2
reconciler-leaves-owed     | caught | -DM_RECONCILER_LEAVES_OWED -DRECONCILER -DQUEUE_LOSS -DTICKETS=6 -DGRAPH=DIAMOND
reconciler-leaves-claimed  | caught | -DM_RECONCILER_LEAVES_CLAIMED -DRECONCILER -DQUEUE_LOSS -DTICKETS=6 -DGRAPH=DIAMOND -DFAILURES=1
reconciler-ignores-cancel  | caught | -DM_RECONCILER_IGNORES_CANCEL -DRECONCILER -DEAGER -DCANCEL -DGRAPH=DIAMOND -DTICKETS=5
no-confirmation            | caught | -DM_NO_CONFIRMATION -DTAIL -DRECONCILER -DTICKETS=3 -DGRAPH=CHAIN -DBEFORE_OPEN
confirms-success-only      | caught | -DM_CONFIRMS_SUCCESS_ONLY -DTAIL -DRECONCILER -DTICKETS=3 -DGRAPH=CHAIN -DBEFORE_OPEN -DMAX_RETRIES=0 -DFAILURES=1
tail-without-reconciler    | caught | -DTAIL -DGRAPH=DIAMOND

gap-reset-retry            | gap    | -DMANUAL -DRESET -DPRESSES=4 -DGRAPH=CHAIN -DMAX_RETRIES=0 -DFAILURES=4
gap-in-doubt               | gap    | -DDOUBT=1 -DSTRICT=1
gap-tail-at-the-end        | gap    | -DTAIL -DRECONCILER -DTICKETS=3 -DGRAPH=CHAIN -DBEFORE_OPEN -DSLOW_END
'

full_checks='
full-crashes               | holds  | -DCRASHES=3 -DEXPIRIES=1
full-zombies               | holds  | -DEXPIRIES=2 -DFAILURES=1
full-failures              | holds  | -DCRASHES=1 -DEXPIRIES=1 -DFAILURES=3
full-three-workers         | holds  | -DWORKERS=3 -DCRASHES=1 -DEXPIRIES=1 -DFAILURES=1
full-lost-answers          | holds  | -DLOST=1 -DCRASHES=1 -DEXPIRIES=1 -DFAILURES=1
full-shutdown              | holds  | -DTICKETS=6 -DINTERRUPTS=2 -DCRASHES=1 -DEXPIRIES=1
full-late-copy             | holds  | -DLATE_COPY=1 -DFAILURES=1 -DCRASHES=1 -DEXPIRIES=1
full-cancel                | holds  | -DCANCEL -DGRAPH=DIAMOND -DCRASHES=1 -DEXPIRIES=1 -DFAILURES=1
full-cancel-company        | holds  | -DCANCEL -DCRASHES=1 -DEXPIRIES=1
full-manual                | holds  | -DMANUAL -DGRAPH=ALERTED -DFAILURES=3 -DCRASHES=1 -DEXPIRIES=1 -DLOST=1
full-manual-company        | holds  | -DMANUAL -DFAILURES=2 -DCRASHES=1 -DEXPIRIES=1
full-queue-loss            | holds  | -DRECONCILER -DQUEUE_LOSS -DTICKETS=8 -DCRASHES=1 -DFAILURES=1
full-queue-loss-failures   | holds  | -DRECONCILER -DQUEUE_LOSS -DTICKETS=6 -DGRAPH=DIAMOND -DFAILURES=2 -DEXPIRIES=1
full-tail                  | holds  | -DTAIL -DRECONCILER -DTICKETS=8 -DGRAPH=DIAMOND -DCRASHES=1
'

# Prints "<result> <states> <seconds>"; result is holds, error, incomplete or broken.
search() {
  local dir=$1 flags=$2 optimise=$3 begin end
  cp "$here"/*.pml "$dir/" && cd "$dir" || return
  # shellcheck disable=SC2086
  if ! spin -a $flags ticket-table.pml > spin.log 2>&1 || ! gcc "$optimise" -w -DSAFETY -DCOLLAPSE "-DMEMLIM=$memory_mb" -o pan pan.c > gcc.log 2>&1; then
    echo 'broken 0 0'
    return
  fi
  begin=$(date +%s.%N)
  timeout "$limit_s" ./pan -m20000 -w24 > pan.log 2>&1
  end=$(date +%s.%N)
  awk -v seconds="$(awk "BEGIN { print $end - $begin }")" '
    /errors: 0$/ { result = "holds" }
    /errors: [1-9]/ { result = "error" }
    /max search depth too small|out of memory|reached -DMEMLIM/ { incomplete = 1 }
    /states, stored/ { states = $1 }
    END { printf "%s %d %.1f\n", (incomplete || result == "") ? "incomplete" : result, states, seconds }' pan.log
}

# One line of the table: prints "ok name states seconds" or "FAILED name ...".
check() {
  local name expected flags optimise dir result states seconds
  IFS='|' read -r name expected flags <<< "$1"
  name=${name// /} expected=${expected// /}
  dir=$(mktemp -d)
  # What errs, errs soon: there, compiling is what costs.
  if [ "$expected" = holds ]; then optimise=-O1; else optimise=-O0; fi
  read -r result states seconds < <(search "$dir" "$flags" "$optimise")
  case "$expected $result" in
    'holds holds' | 'caught error' | 'gap error') printf 'ok %-26s %-6s %9d states %6.1f s\n' "$name" "$expected" "$states" "$seconds" ;;
    *)
      printf 'FAILED %-22s expected %s, got %s after %d states %.1f s\n' "$name" "$expected" "$result" "$states" "$seconds"
      grep -hE 'pan:1|Error' "$dir"/*.log | sed 's/^/    /'
      ;;
  esac
  rm -rf "$dir"
}

story() {
  local line name flags dir
  line=$(grep -E "^$1 +\|" <<< "$quick_checks$full_checks") || { echo "no check is called $1" >&2; exit 2; }
  IFS='|' read -r name _ flags <<< "$line"
  dir=$(mktemp -d)
  (
    search "$dir" "$flags" -O0 > /dev/null
    cd "$dir" || exit
    # shellcheck disable=SC2086
    if [ -e ticket-table.pml.trail ]; then spin -t -T $flags ticket-table.pml; else echo 'no error was found'; fi
  ) | awk -v folder="$here/" '
    /^spin: text of failed assertion/ { next }
    /^spin: trail ends/ { exit }
    /Error: assertion violated/ {
      if (broken++) exit
      split($2, at, "[:,]")
      while ((getline line < (folder at[1])) > 0) if (++number == at[2]) { sub(/^ +/, "", line); $0 = "BROKEN, " at[1] ":" number ": " line }
    }
    { print }'
  rm -rf "$dir"
}

for tool in spin gcc; do
  command -v "$tool" > /dev/null || { echo "model/check.sh needs $tool: apt-get install -y --no-install-recommends spin gcc libc6-dev" >&2; exit 2; }
done

checks=$quick_checks only=.
while [ $# -gt 0 ]; do
  case $1 in
    --full) checks=$quick_checks$full_checks ;;
    --only) only=$2; shift ;;
    --story) story "$2"; exit ;;
    --one) check "$2"; exit ;;   # used by the line below
    *) sed -n '2,10s/^# \{0,1\}//p' "$0"; exit 2 ;;
  esac
  shift
done

results=$(mktemp)
trap 'rm -f "$results"' EXIT
grep '|' <<< "$checks" | awk -F ' *[|]' -v only="$only" '$1 ~ only' | tr '\n' '\0' | xargs -0 -r -P "${JOBS:-1}" -n 1 "$0" --one | tee "$results"
passed=$(grep -c '^ok ' "$results")
failed=$(grep -c '^FAILED ' "$results")
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
