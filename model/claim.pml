/* The move that grants attempts to a delivery: open (R17), claim (R3, R6), and Retry (R11, R12). */

/* ---- R12: manual retry of the failed nodes of row t */

#if JOIN < NODES
#define UNCOUNT(n_) if :: FORGIVEN(n_) -> forgiven = WITHOUT(forgiven, n_) :: else -> reds-- fi
#else
#define UNCOUNT(n_) reds--
#endif

inline manual_retry() {
  started = 0; fired = 0; k = 0;
  do
  :: k < NODES -> if :: node[k].row == t && node[k].state == failed -> fired = fired | DESC(k) :: else fi; k++
  :: else -> break
  od;
  k = 0;
  do
  :: k < NODES -> if :: HAS(fired, k) && (node[k].attempt > 0 || (node[k].state != pending && !IS_FINAL(k))) -> started = 1 :: else fi; k++
  :: else -> break
  od;
#if JOIN < NODES && !defined(M_RETRY_UNDER_FORGIVEN)
  if :: HAS(fired, JOIN) && node[JOIN].state == succeeded && FORGIVEN(3) -> started = 1 :: else fi;   /* plan B's value is in use */
#endif
#ifdef M_RETRY_UNDER_STARTED
  started = 0;
#endif
  if
  :: started -> newCode = only_failed     /* refused, nothing is written: the job fails again, with the refusal as its reason */
  :: else ->
     pressed[t] = 0;
#ifndef M_RETRY_KEEPS_END
     runEnded = 0;                                                          /* the end of the run is undone first */
#endif
     row[t].state = claimed;
     k = 0;
     do
     :: k < NODES ->
        if
        :: node[k].row == t && node[k].state == failed ->                   /* fresh budgets, attempt numbers continue */
           UNCOUNT(k);
           node[k].state = ready;
#ifndef M_RETRY_KEEPS_BUDGET
           node[k].failures = 0; node[k].crashes = 0
#endif
#ifndef M_RETRY_KEEPS_DESCENDANTS
        :: HAS(fired, k) && node[k].attempt == 0 && IS_FINAL(k) ->          /* unstarted descendants return to pending */
           if :: node[k].state == upstream_failed -> UNCOUNT(k) :: else fi;
           node[k].state = pending
#endif
        :: else
        fi;
        k++
     :: else -> break
     od
  fi
}

/* ---- R3, R6, R11, R17: open and claim */

#if defined(M_NO_LOCK_FENCE)
#define HOLDS_LOCK true
#elif defined(M_NO_DELIVERY_FENCE)
#define HOLDS_LOCK (job[t].lock == token)
#else                        /* a slot uses its token again: the job's attemptsStarted is compared, too */
#define HOLDS_LOCK (job[t].lock == token && job[t].started == startedSeen)
#endif

#ifdef M_CLAIM_IGNORES_CANCEL
#define CLAIM_SEES_CANCEL false
#else
#define CLAIM_SEES_CANCEL cancelAsked
#endif

#ifdef M_SAME_LEASE_IS_LOST
#define SAME_LEASE false
#else
#define SAME_LEASE (row[t].lease == LEASE)
#endif

#ifdef M_CLAIM_IGNORES_PAUSE
#define CLAIM_SEES_PAUSE false
#else
#define CLAIM_SEES_PAUSE paused
#endif

/* A node of this row can run: now, or when a slot is free, or when the pause ends (R14). */
inline grant_or_wait(n_) {
  if
#ifdef M_CLAIM_KEEPS_PAUSED
  :: CLAIM_SEES_PAUSE -> node[n_].state = ready
#else
  :: CLAIM_SEES_PAUSE -> park(n_)
#endif
#ifdef M_NO_ISOLATION
  :: !CLAIM_SEES_PAUSE && slots > 0 -> slots--; grant(n_)
#else
  :: !CLAIM_SEES_PAUSE && slots > 0 && (!NEEDS_ISOLATION(n_) || isolation == token) -> slots--; grant(n_)
#endif
  :: else -> node[n_].state = ready
  fi
}

/* A node found running under an older lease is lost (R6). */
inline lost_attempt(n_) {
  /* R6 charges only a lease that was lost: neither one whose delivery still holds the lock, nor one that was handed back. */
#ifdef TAIL
#define ONLY_LOST (!wentBack)   /* R22: a worker that is ahead hands back, and the attempt that came back to life is charged */
#else
#define ONLY_LOST true
#endif
  assert(!ONLY_LOST || !(job[t].lock != 0 && row[t].lease == deliveries[t]));
  assert(!ONLY_LOST || row[t].lease == 0 || row[t].lease != givenBack[t]);
#ifdef POISON
  assert(n_ == 2 || node[n_].crashes == 0);                                 /* only node 2 kills: a neighbour is charged once at most */
#endif
#ifndef M_LOST_NOT_CLOSED
  close_attempt(n_, node[n_].attempt);
#endif
  node[n_].crashes++;
  if
#ifndef M_NO_CRASH_LIMIT
  :: node[n_].crashes > MAX_CRASHES -> node[n_].state = failed; reds++      /* crash_loop */
#endif
#ifndef M_NO_DISSOLVE
  :: node[n_].crashes <= MAX_CRASHES && several > 1 -> node[n_].state = ready; move_to_new_ticket(n_)   /* the company dissolves */
#endif
  :: else -> grant_or_wait(n_)
  fi
}

inline claim_nodes() {
  count_nodes(t);
  slots = (stops == CLOSING -> 0 : SLOTS);
  i = 0;
  do
  :: i < NODES ->
     if
     :: node[i].row != t -> skip
#ifdef M_NODE_LIST_IN_JOB
     :: node[i].row == t && !HAS(jobNodes[t], i) -> skip
#endif
     :: else ->
        if
        :: node[i].state == ready || (node[i].state == retrying && !tooEarly) -> grant_or_wait(i)
        :: node[i].state == running && SAME_LEASE ->                        /* a lost answer: the same grant again */
#ifdef M_LEASE_IS_TOKEN
           assert(grantedTo[i] == lease);                                   /* I4: no attempt number is granted to two deliveries */
#endif
           newGrants = newGrants | BIT(i)
        :: node[i].state == running && !SAME_LEASE -> lost_attempt(i)
        :: else
        fi
     fi;
     i++
  :: else -> break
  od;
  row[t].lease = LEASE;
#ifdef MANUAL
  row[t].stalled = stalledSeen; row[t].made = madeSeen;
#endif
  resolve();                                                                /* a crash_loop resolves what depends on it */
  dispatch(0);
  close_row(t);
  if :: newCode == work_left && newGrants == 0 && tooEarly -> newCode = too_early :: else fi;
  if :: newCode == work_left && newGrants == 0 && stops == CLOSING -> newCode = not_now :: else fi;
#ifdef ISOLATION
  if :: newCode == work_left && newGrants == 0 && isolation != token -> newCode = not_isolated :: else fi;
#endif
  assert(newCode != work_left || newGrants != 0);                           /* I5: no delivery claims in a circle */
  end_run()
}

/* R11: does an ended row come again by itself? Else somebody retried it. */
#ifdef M_SAME_LEASE_RETRIES
#define IS_REPEATED_CLAIM false
#else
#define IS_REPEATED_CLAIM SAME_LEASE
#endif
#if defined(M_STALLED_MEANS_REDELIVERY)
#define IS_REDELIVERY (stalledSeen > row[t].stalled)
#elif defined(M_STALLED_MUST_GROW)
#define IS_REDELIVERY (madeSeen == row[t].made && stalledSeen > row[t].stalled)
#else
#define IS_REDELIVERY (madeSeen == row[t].made && stalledSeen >= row[t].stalled)
#endif
#ifdef M_CANCELLED_RETRIES
#define RETRY_SEES_CANCEL false
#else
#define RETRY_SEES_CANCEL cancelAsked
#endif

inline claim() {
  newGrants = 0; newOwes = 0; newRefused = 0; newRepeat = 0; newCode = work_left;
  if
  :: !HOLDS_LOCK -> newRefused = 1                                          /* R3: refused; the delivery is not ours any more */
  :: HOLDS_LOCK && CLAIM_SEES_CANCEL && row[t].state != ended ->            /* R13: also a run that isn't open, also a row that is gone */
#ifdef M_CANCELLED_COMES_BACK
     newRefused = 1
#else
     newCode = row_empty                                                    /* the job is completed, what it owes is not added */
#endif
  :: else ->
     if
     :: t == 0 && !opened -> opened = 1; node[0].state = ready; node[0].row = 0; row[0].state = claimed   /* R17 */
     :: else
     fi;
     if
     :: row[t].state == no_row -> newCode = row_empty                       /* nothing: but R8, what it owes is added all the same */
#ifdef MANUAL
     :: row[t].state == ended ->
        if
        :: RETRY_SEES_CANCEL || IS_REPEATED_CLAIM ->
           assert(cancelAsked || !pressed[t]);                              /* a pressed Retry is never taken for a redelivery */
           row[t].lease = LEASE; row[t].stalled = stalledSeen; row[t].made = madeSeen;
           newCode = only_failed
        :: !RETRY_SEES_CANCEL && !IS_REPEATED_CLAIM && IS_REDELIVERY ->
#ifdef M_REDELIVERY_RETRIES
           assert(pressed[t]); manual_retry()
#else
           assert(!pressed[t]);
           row[t].lease = LEASE; row[t].stalled = stalledSeen; row[t].made = madeSeen;
           newCode = only_failed
#endif
        :: else ->
           assert(pressed[t]);                                              /* a manual retry only if somebody asked for it */
           manual_retry();
           if :: row[t].state == claimed -> claim_nodes() :: else fi
        fi
#else
     :: row[t].state == ended -> newCode = only_failed                      /* nobody presses Retry here: a redelivery fails again */
#endif
     :: else -> claim_nodes()
     fi;
#ifndef M_NO_SCAN
     scan_owed()
#endif
#ifdef M_NOTHING_ADDS_NOTHING
     ; if :: newCode == row_empty -> newOwes = 0 :: else fi
#endif
  fi
}
