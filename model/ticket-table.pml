/* The ticket table of one run: rules R1 to R14, R16 and R22 of the design, in Promela.
 *
 * Read README.md first: it explains the notation and lists what each check shows.
 * One d_step is one atomic Lua script, one BullMQ command, or one thing that happens to a process.
 * Everything between two d_steps is a place where a worker may die or sleep.
 *
 * M_... switches remove one guard each; check.sh demands that the checker finds an error for every one.
 */

#include "bounds.pml"
#include "state.pml"
#include "dispatch.pml"
#include "claim.pml"
#include "settle.pml"
#include "worker.pml"
#include "around.pml"

/* ---- the end: nothing can move any more */

#define QUIET_JOB(t_) (job[t_].state == absent || job[t_].state == failed_set)

proctype Quiet() {
  timeout ->
  d_step {
    assert(cancelAsked || (opened && runEnded));                            /* I1, I5 */
    good = 0; bad = 0; k = 0;
    do
    :: k < NODES ->
       assert(cancelAsked || IS_FINAL(k));                                  /* I1: what isn't final reads as cancelled */
       /* I6: every attempt has its end; a cancelled run's last one reads as cancelled */
       assert(closed[k] == BIT(node[k].attempt) - 1 || (cancelAsked && node[k].state == running && closed[k] == BIT(node[k].attempt - 1) - 1));
       assert(!HAS(everSucceeded, k) || node[k].state == succeeded);        /* I3: a recorded result never changes */
       if :: IS_GOOD(k) -> good = good | BIT(k) :: else -> bad = bad | BIT(k) fi;
       /* I4: what ran and what didn't agrees with the triggers */
       if
       :: cancelAsked -> skip
#if JOIN < NODES
       :: !cancelAsked && k == JOIN -> assert((node[k].state == succeeded) == ((UPS(k) & good) != 0))
#endif
       :: !cancelAsked && k != ALERT && k != JOIN ->
          assert(node[k].attempt == 0 || (UPS(k) & good) == UPS(k));
          assert(node[k].attempt > 0 || (UPS(k) & bad) != 0)
       :: else ->
          assert((node[k].attempt > 0) == ((UPS(k) & bad) != 0))
       fi;
       k++
    :: else -> break
    od;
#if JOIN < NODES
    if :: HAS(good, JOIN) && !HAS(good, 3) -> bad = bad & (255 - PLAN_A) :: else fi;   /* a value of plan B forgives plan A */
#endif
    assert(cancelAsked || runRed == (bad != 0));                            /* red iff something failed that nothing forgave */
    k = 0;
    do
    :: k < TICKETS ->
       assert(QUIET_JOB(k));                                                /* BullMQ is done with every ticket */
       assert(cancelAsked || row[k].state == no_row || row[k].state == ended); /* R20: only ended rows are left */
       k++
    :: else -> break
    od
  }
}

init {
  d_step {
    k = 0;
    do :: k < NODES -> node[k].state = pending; node[k].row = NO_ROW; k++ :: else -> break od;
    k = 0;
    do :: k < TICKETS -> row[k].state = no_row; job[k].state = absent; k++ :: else -> break od;
#ifdef TAIL
    k = 0;
    do :: k < NODES -> oldNode[k].state = pending; k++ :: else -> break od;
    k = 0;
    do :: k < TICKETS -> oldRow[k].state = no_row; oldJob[k].state = absent; k++ :: else -> break od;
#endif
#ifdef M_NODE_LIST_IN_JOB
    jobNodes[0] = 1;
#endif
    job[0].state = waiting   /* somebody enqueued the flow */
  }
  atomic {
    byte p = 1;
    do :: p <= WORKERS -> run Slot(p); p++ :: else -> break od;
    p = 0;
    do :: p < TICKETS -> run Queue(p); p++ :: else -> break od;
#ifdef PAUSES
    run Pauser();
#endif
#ifdef ROW_LOSS
    run RowLoss();
#endif
#ifdef CANCEL
    run Canceller();
#endif
#ifdef MANUAL
    run Operator();
#endif
#ifdef LATE_COPY
    run LateCopy();
#endif
#ifdef QUEUE_LOSS
    run QueueLoss();
#endif
#ifdef TAIL
    run Tail();
#endif
    run Quiet();
    p = 0
  }
}
