/* Parts that the scripts share: granting an attempt, recording its end, triggers, tickets, rows. */

/* ---- parts of the scripts
 * They use the worker's t (ticket), lease and token. */

#ifdef M_LEASE_IS_TOKEN
#define LEASE token
#else
#define LEASE lease
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
  assert(!runEnded);
  assert(n_ == ALERT || (UPS(n_) & everSucceeded) == UPS(n_));              /* I4 */
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

/* Triggers: what became final decides what fires (bit set fired), and what can't fire any more. */
inline resolve() {
  fired = 0; good = 0; bad = 0; final_ = 0; k = 0;
  do
  :: k < NODES ->
     if
     :: node[k].state == pending && k != ALERT && (UPS(k) & good) == UPS(k) -> fired = fired | BIT(k)
#ifdef M_JOIN_FIRES_EARLY
     :: node[k].state == pending && k != ALERT && (UPS(k) & good) != 0 && (UPS(k) & good) != UPS(k) -> fired = fired | BIT(k)
#endif
#ifndef M_NO_CASCADE
     :: node[k].state == pending && k != ALERT && (UPS(k) & final_) == UPS(k) && (UPS(k) & bad) != 0 -> node[k].state = upstream_failed
#endif
     :: node[k].state == pending && k == ALERT && (UPS(k) & final_) == UPS(k) && (UPS(k) & bad) != 0 -> fired = fired | BIT(k)
     :: node[k].state == pending && k == ALERT && (UPS(k) & final_) == UPS(k) && (UPS(k) & bad) == 0 -> node[k].state = skipped
     :: else
     fi;
     if :: IS_FINAL(k) -> final_ = final_ | BIT(k) :: else fi;
     if :: IS_BAD(k) -> bad = bad | BIT(k) :: else fi;
     if :: node[k].state == succeeded || node[k].state == skipped -> good = good | BIT(k) :: else fi;
     k++
  :: else -> break
  od
}

/* What fired is dispatched: one node continues in this row under this lease (R5), the others share a new ticket. */
inline dispatch(mayContinue) {
  continued = 0; k = 0;
  if :: fired != 0 && mayContinue ->
        do :: k < NODES && !HAS(fired, k) -> k++ :: else -> break od;
        fired = WITHOUT(fired, k);
        grant(k);
        continued = k + 1
     :: else
  fi;
  if :: fired != 0 ->
#ifdef HOME
        /* R5, R24: the first company stays in this row; settles grant its nodes to the slots that they free */
        if :: mayContinue -> r = t :: else -> new_ticket() fi;
#else
        new_ticket();
#ifdef M_NODE_LIST_IN_JOB
        jobNodes[r] = fired;
#endif
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
  if :: k == NODES -> runEnded = 1 :: else fi
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
