/* What happens around the workers: BullMQ, the reconciler, people who cancel or retry, and losses. */

/* ---- LATE_COPY: a claim sent twice
 * The connection broke, the client sent the claim again on a new one; the first copy reaches Redis when its delivery has ended.
 * The slot's token is used again: if the same slot has the same job again, only attemptsStarted tells the copy.
 */

#ifdef LATE_COPY
proctype LateCopy() {
  byte t, lease, token, startedSeen, stops;
  bit tooEarly;
#ifdef MANUAL
  byte stalledSeen, madeSeen;
#endif
end_copy:
  do
  :: d_step { copyToken != 0 ->
       t = copyTicket; lease = copyLease; token = copyToken; startedSeen = copyStarted;
#ifdef MANUAL
       stalledSeen = copyStalled; madeSeen = copyMade;
       copyStalled = 0; copyMade = 0;
#endif
       claim();
       printf("late copy of W%d's claim of %d under lease %d: granted %d, %e\n", token, t, lease, newGrants, newCode);
       copyToken = 0; copyTicket = 0; copyLease = 0; copyStarted = 0;
       t = 0; lease = 0; token = 0; startedSeen = 0
     }
  od
}
#endif

/* ---- what Redis, BullMQ and the reconciler do with a ticket */

#ifdef RECONCILER
/* R16: a claimed row without a job: what it holds goes to a new ticket, but for finally failed nodes. A node that runs
 * goes on as running: the claim that finds it there, under no lease, closes and charges it (R6).
 * The rule waits for B; here it may act at once, so it is safe at any time. */
#if defined(EAGER) && defined(M_RECONCILER_IGNORES_CANCEL)
#define RECONCILES true
#elif defined(EAGER)
#define RECONCILES (!cancelAsked)   /* a cancelled run is not reconciled: what is added for it only comes back */
#else
#define RECONCILES lossHappened
#endif
#define IS_ORPHAN(n_) (node[n_].row == t && row[t].state == no_row \
                    && (node[n_].state == ready || node[n_].state == running || node[n_].state == retrying))
/* R16: a node that could run, and no row holds it. What runs stays running, and is charged by the claim that finds it. */
#define ADOPT(n_) d_step { RECONCILES && IS_ORPHAN(n_) -> \
  move_to_new_ticket(n_); row[r].writer = NOBODY; ADOPT_ANEW(n_); printf("node %d gets ticket %d\n", n_, r) }
#ifdef M_ADOPTED_ANEW
#define ADOPT_ANEW(n_) node[n_].state = ready
#else
#define ADOPT_ANEW(n_) skip
#endif
inline move_row() {
  new_ticket();
  row[r].writer = NOBODY;
  k = 0;
  do
  :: k < NODES -> if :: node[k].row == t && node[k].state != failed -> node[k].row = r :: else fi; k++
  :: else -> break
  od;
  close_row(t)
}
#endif

#ifdef M_STALL_LIMIT
byte stalls[TICKETS];
#endif

proctype Queue(byte t) {
end_queue:
  do
  :: d_step { expiriesLeft > 0 && job[t].state == processing && job[t].lock != 0 -> expiriesLeft--; job[t].lock = 0; printf("lock of job %d expires\n", t) }
  :: d_step { job[t].state == processing && job[t].lock == 0 ->                 /* BullMQ's stalled check */
       job[t].state = waiting;
       printf("job %d is stalled\n", t);
#ifdef MANUAL
       job[t].stalled++;
#endif
#ifdef M_STALL_LIMIT
       if :: stalls[t] == 1 -> job[t].state = failed_set :: else -> stalls[t]++ fi    /* R10: maxStalledCount left at 1 */
#endif
     }
#ifdef TAIL
  :: d_step { job[t].state == processing && job[t].lock != 0 && workingOn[job[t].lock] != t + 1 -> job[t].lock = 0 }  /* nobody renews it */
#endif
#ifdef RECONCILER
#ifndef M_RECONCILER_LEAVES_OWED
  :: d_step { RECONCILES && row[t].state == owed && job[t].state == absent -> job[t].state = waiting }
#endif
#ifndef M_RECONCILER_LEAVES_CLAIMED
  :: d_step { RECONCILES && row[t].state == claimed && (job[t].state == absent || job[t].state == failed_set) -> move_row() }
#endif
#if defined(ROW_LOSS) && !defined(M_ADOPTS_NOTHING)
  :: ADOPT(0)
  :: ADOPT(1)
#if NODES > 2
  :: ADOPT(2)
#endif
#if NODES > 3
  :: ADOPT(3)
#endif
#if NODES > 4
  :: ADOPT(4)
#endif
#endif
#endif
  od
}

/* ---- PAUSES: somebody pauses the run, and resumes it as long as it is paused (R14) */

#ifdef PAUSES
#if NODES > 3
#define PARKED_AFTER_1 (node[2].state == parked || node[3].state == parked || node[NODES - 1].state == parked)
#elif NODES > 2
#define PARKED_AFTER_1 (node[2].state == parked)
#else
#define PARKED_AFTER_1 false
#endif
#define SOME_PARKED (node[0].state == parked || node[1].state == parked || PARKED_AFTER_1)

inline release() {           /* a chunk of what was parked, here one node, gets a ticket of its own, owed by nobody */
  newOwes = 0; k = 0;
  do
  :: k < NODES && node[k].state != parked -> k++
  :: else -> break
  od;
  if
  :: k == NODES -> releases = 0
  :: else ->
     node[k].state = ready;
#ifndef M_RESUME_GIVES_NO_TICKETS
     move_to_new_ticket(k)
#endif
  fi
}

proctype Pauser() {
  byte t = NOBODY, token, owes;
  bool releases;             /* whoever resumes goes on until nothing is parked, and adds the jobs */
  byte left = PAUSES;
end_pauser:
  do
  :: d_step { left > 0 && !paused && opened && !runEnded && !cancelAsked -> left--; paused = 1; printf("the run is paused\n") }
  :: d_step { paused && !runEnded && !cancelAsked -> paused = 0; releases = 1; printf("the run is resumed\n") }
  :: d_step { releases && !paused && !runEnded && !cancelAsked -> release(); owes = owes | newOwes; printf("a parked node is released\n") }
  :: d_step { owes != 0 -> add_what_it_owes() }
#ifdef RESUMER_DIES
  :: d_step { (owes != 0 || releases) && crashesLeft > 0 -> crashesLeft--; owes = 0; releases = 0; lossHappened = 1; printf("whoever resumed dies\n") }
#endif
#if defined(RECONCILER) && !defined(M_RECONCILER_LEAVES_PARKED)
  :: d_step { RECONCILES && SOME_PARKED && !paused && !runEnded && !cancelAsked -> release(); printf("the reconciler releases\n") }
#endif
  od
}
#endif

/* ---- CANCEL: R13, at any time */

#ifdef CANCEL
proctype Canceller() {       /* one flag; nothing is swept: jobs end when they are delivered */
  if
  :: d_step { !runEnded -> cancelAsked = 1; printf("the run is cancelled\n") }
  :: true                    /* nobody cancels */
  fi
}
#endif

/* ---- MANUAL: somebody presses Retry on a failed job (R11) */

#ifdef MANUAL
#ifdef RESET
#define PRESSED_MADE(t_) 0   /* job.retry with resetAttemptsMade */
#else
#define PRESSED_MADE(t_) job[t_].made
#endif
#define PRESS(t_) d_step { left > 0 && job[t_].state == failed_set -> left--; job[t_].state = waiting; job[t_].made = PRESSED_MADE(t_); pressed[t_] = 1 }
proctype Operator() {
  byte left = PRESSES;
  do
  :: PRESS(0)
  :: PRESS(1)
#if TICKETS > 2
  :: PRESS(2)
#endif
#if TICKETS > 3
  :: PRESS(3)
#endif
#if TICKETS > 4
  :: PRESS(4)
#endif
  :: left = 0; break         /* or nobody does */
  od
}
#endif

/* ---- ROW_LOSS: one row is lost, its nodes and its job are not (R16) */

#ifdef ROW_LOSS
proctype RowLoss() {
  byte t;
  do
  :: t < TICKETS - 1 -> t++
  :: d_step { row[t].state == owed || row[t].state == claimed -> lossHappened = 1; forget_row(t); printf("row %d is lost\n", t) }; break
  :: break
  od
}
#endif

/* ---- TAIL and QUEUE_LOSS: R22 */

#ifdef QUEUE_LOSS
proctype QueueLoss() {       /* the queues are lost, the run's state is not */
  if
  :: d_step { opened ->
       lossHappened = 1;
       k = 0;
       do :: k < TICKETS -> job[k].state = absent; job[k].lock = 0; job[k].started = 0; k++ :: else -> break od
     }
  :: true
  fi
}
#endif

#ifdef TAIL
Node oldNode[NODES]; Row oldRow[TICKETS]; Job oldJob[TICKETS];
byte oldTickets, oldClosed[NODES], oldSucceeded, oldGrantedTo[NODES]; byte oldReds; bit oldOpened, oldEnded, oldRed;

proctype Tail() {            /* Redis goes back to an earlier state; workers keep what they know */
  if
#ifdef BEFORE_OPEN
  :: d_step {
#else
  :: d_step { opened ->
#endif
       printf("Redis will go back to this state\n");
       k = 0;
       do
       :: k < NODES ->
          oldNode[k].state = node[k].state; oldNode[k].row = node[k].row; oldNode[k].attempt = node[k].attempt;
          oldNode[k].failures = node[k].failures; oldNode[k].crashes = node[k].crashes;
          oldClosed[k] = closed[k]; oldGrantedTo[k] = grantedTo[k];
          k++
       :: else -> break
       od;
       k = 0;
       do
       :: k < TICKETS ->
          oldRow[k].state = row[k].state; oldRow[k].lease = row[k].lease; oldRow[k].writer = row[k].writer;
          oldJob[k].state = job[k].state; oldJob[k].lock = job[k].lock; oldJob[k].started = job[k].started;
          k++
       :: else -> break
       od;
       oldTickets = tickets; oldSucceeded = everSucceeded; oldOpened = opened; oldEnded = runEnded; oldRed = runRed; oldReds = reds
     }
  :: goto done
  fi;
  d_step {
    printf("Redis goes back\n");
    lossHappened = 1; wentBack = 1;
    k = 0;
    do
    :: k < NODES ->
       node[k].state = oldNode[k].state; node[k].row = oldNode[k].row; node[k].attempt = oldNode[k].attempt;
       node[k].failures = oldNode[k].failures; node[k].crashes = oldNode[k].crashes;
       closed[k] = oldClosed[k]; grantedTo[k] = oldGrantedTo[k];
       oldNode[k].state = pending; oldNode[k].row = 0; oldNode[k].attempt = 0; oldNode[k].failures = 0; oldNode[k].crashes = 0;
       oldClosed[k] = 0; oldGrantedTo[k] = 0;
       k++
    :: else -> break
    od;
    k = 0;
    do
    :: k < TICKETS ->
       row[k].state = oldRow[k].state; row[k].lease = oldRow[k].lease; row[k].writer = oldRow[k].writer;
       job[k].state = oldJob[k].state; job[k].lock = oldJob[k].lock; job[k].started = oldJob[k].started;
       oldRow[k].state = no_row; oldRow[k].lease = 0; oldRow[k].writer = 0; oldJob[k].state = absent; oldJob[k].lock = 0; oldJob[k].started = 0;
       k++
    :: else -> break
    od;
    tickets = oldTickets; everSucceeded = oldSucceeded; opened = oldOpened; runEnded = oldEnded; runRed = oldRed; reds = oldReds;
    oldTickets = 0; oldSucceeded = 0; oldOpened = 0; oldEnded = 0; oldRed = 0; oldReds = 0
  };
done: skip
}
#endif
