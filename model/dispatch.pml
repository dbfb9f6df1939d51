/* Parts that the scripts share: granting an attempt, recording its end, triggers, tickets, rows. */

/* ---- parts of the scripts
 * They use the worker's t (ticket), lease and token. */

#ifdef M_LEASE_IS_TOKEN
#define LEASE token
#else
#define LEASE lease
#endif

#ifdef M_SETTLE_IGNORES_PAUSE
#define SETTLE_SEES_PAUSE false
#else
#define SETTLE_SEES_PAUSE paused
#endif

/* The end of attempt a of node n is recorded: I3, at most once. */
inline close_attempt(n_, a_) {
  assert(a_ > 0 && !HAS(closed[n_], a_ - 1));
  closed[n_] = closed[n_] | BIT(a_ - 1)
}

/* One more attempt of node n for this delivery. */
inline grant(n_) {
#ifndef M_LOST_NOT_CLOSED
  node[n_].attempt++;
#else
  if :: node[n_].state != running -> node[n_].attempt++ :: else fi;
#endif
  assert(!HAS(everSucceeded, n_));                                          /* I2 */
  assert(closed[n_] == BIT(node[n_].attempt - 1) - 1);                      /* I4, I6: a new number; every earlier attempt has its end */
  assert(node[n_].failures <= MAX_RETRIES && node[n_].crashes <= MAX_CRASHES); /* I7 */
  assert(!cancelAsked);                                                     /* I9 */
  assert(!paused);                                                          /* R14 */
  assert(!runEnded);
  assert(n_ == ALERT || (UPS(n_) & everSucceeded) == UPS(n_));              /* I4 */
  assert(!NEEDS_ISOLATION(n_) || isolation == token);                       /* R6 */
  node[n_].state = running;
  node[n_].row = t;
  newGrants = newGrants | BIT(n_)
}

/* R2, R8: a fresh ticket r, written as owed by the ticket of this delivery. */
inline new_ticket() {
  r = tickets;
  assert(tickets < TICKETS);                                                /* else the bound is too small */
  tickets++;
#ifndef M_ROWS_NOT_OWED
  row[r].state = owed;
#else
  row[r].state = claimed;
#endif
  row[r].writer = t;
  newOwes = newOwes | BIT(r)
}

inline move_to_new_ticket(n_) {
  new_ticket();
  node[n_].row = r;
#ifdef M_NODE_LIST_IN_JOB
  jobNodes[r] = BIT(n_)
#endif
}

#if JOIN < NODES
/* Plan B has a value: what failed in plan A counts no more. */
inline forgive() {
#ifndef M_FORGIVEN_STILL_COUNTS
  reds = reds - HAS(bad & PLAN_A, 1) - HAS(bad & PLAN_A, 3);
#endif
  forgiven = forgiven | (bad & PLAN_A)
}
#endif

/* R14: a node that could run waits in no row, until a resume gives it a ticket. */
inline park(n_) {
  node[n_].state = parked; node[n_].row = NO_ROW
}

/* Triggers: what became final decides what fires (bit set fired), and what can't fire any more. */
inline resolve() {
  fired = 0; good = 0; bad = 0; final_ = 0; k = 0;
  do
  :: k < NODES ->
     if
     :: node[k].state == pending && k != ALERT && k != JOIN && (UPS(k) & good) == UPS(k) -> fired = fired | BIT(k)
#ifdef M_JOIN_FIRES_EARLY
     :: node[k].state == pending && k != ALERT && k != JOIN && (UPS(k) & good) != 0 && (UPS(k) & good) != UPS(k) -> fired = fired | BIT(k)
#endif
#ifndef M_NO_CASCADE
     :: node[k].state == pending && k != ALERT && (k != JOIN || (UPS(k) & good) == 0) && (UPS(k) & final_) == UPS(k) && (UPS(k) & bad) != 0 ->
        node[k].state = upstream_failed; reds++
#endif
#if JOIN < NODES
     :: node[k].state == pending && k == JOIN && (UPS(k) & final_) == UPS(k) && (UPS(k) & good) != 0 ->
        node[k].state = succeeded; everSucceeded = everSucceeded | BIT(k);
        r = (HAS(good, 3) -> 3 : 2);                                        /* the first that succeeded */
        assert(joinValue == 0 || joinValue == r + 1);                       /* I3: its value never changes */
        joinValue = r + 1;
#ifndef M_FORGIVES_NOTHING
        if :: !HAS(good, 3) -> forgive() :: else fi
#endif
#endif
     :: node[k].state == pending && k == ALERT && (UPS(k) & final_) == UPS(k) && (UPS(k) & bad) != 0 -> fired = fired | BIT(k)
     :: node[k].state == pending && k == ALERT && (UPS(k) & final_) == UPS(k) && (UPS(k) & bad) == 0 -> node[k].state = skipped
     :: else
     fi;
     if :: IS_FINAL(k) -> final_ = final_ | BIT(k) :: else fi;
     if :: IS_BAD(k) -> bad = bad | BIT(k) :: else fi;
     if :: IS_GOOD(k) -> good = good | BIT(k) :: else fi;
     k++
  :: else -> break
  od
}

/* What fired is dispatched: up to `keep` nodes stay in this row (R5), the others share a new ticket. */
inline dispatch(keep) {
  kept = 0; k = 0;
  do
  :: k < NODES ->
     if
     :: HAS(fired, k) && SETTLE_SEES_PAUSE -> fired = WITHOUT(fired, k); park(k)
     :: HAS(fired, k) && !SETTLE_SEES_PAUSE && kept < keep -> kept++; fired = WITHOUT(fired, k); node[k].state = ready; node[k].row = t
     :: else
     fi;
     k++
  :: else -> break
  od;
  if :: fired != 0 ->
        new_ticket();
#ifdef M_NODE_LIST_IN_JOB
        jobNodes[r] = fired;
#endif
        k = 0;
        do
        :: k < NODES ->
           if :: HAS(fired, k) -> node[k].state = ready; node[k].row = r :: else fi;
           k++
        :: else -> break
        od
     :: else
  fi
}

/* Ready nodes of this row are granted, as many as there are slots (R24). */
inline grant_ready() {
  i = 0;
  do
  :: i < NODES -> if :: slots > 0 && node[i].row == t && node[i].state == ready && !NEEDS_ISOLATION(i) -> slots--; grant(i) :: else fi; i++
  :: else -> break
  od
}

/* What the row t_ holds decides its state and how the delivery ends (R9). A finally failed node stays in its row (R1). */
inline close_row(t_) {
  hasWork = 0; hasFailed = 0; k = 0;
  do
  :: k < NODES ->
     if
     :: node[k].row == t_ && node[k].state == failed -> hasFailed = 1
     :: node[k].row == t_ && node[k].state != failed -> hasWork = 1
     :: else
     fi;
     k++
  :: else -> break
  od;
  if
  :: hasWork -> newCode = work_left; row[t_].state = claimed
  :: !hasWork && hasFailed -> newCode = only_failed; row[t_].state = ended
  :: else -> newCode = row_empty; forget_row(t_)
  fi
}

inline forget_row(t_) {
  row[t_].state = no_row; row[t_].lease = 0; row[t_].writer = 0;
#ifdef MANUAL
  row[t_].stalled = 0; row[t_].made = 0
#endif
}

inline end_run() {
  k = 0;
  do :: k < NODES && IS_FINAL(k) -> k++ :: else -> break od;
  if :: k == NODES -> runEnded = 1; runRed = (reds > 0) :: else fi
}

/* R8: what was written as owed by this ticket and never claimed. */
inline scan_owed() {
  k = 0;
  do
  :: k < TICKETS ->
     if :: row[k].state == owed && row[k].writer == t && k != t -> newOwes = newOwes | BIT(k) :: else fi;
     k++
  :: else -> break
  od
}

inline count_nodes(t_) {
  several = 0; k = 0;
  do :: k < NODES -> if :: node[k].row == t_ -> several++ :: else fi; k++ :: else -> break od
}
