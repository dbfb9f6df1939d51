/* The move that records the end of an attempt (R4), resolves what depends on it, and may grant a continuation (R5). */

/* ---- R4, R5, R7: settle node n with an outcome */

#define SUCCESS     1
#define FAILURE     2
#define INTERRUPTED 3

#ifdef M_SETTLE_IGNORES_CANCEL
#define SETTLE_SEES_CANCEL false
#else
#define SETTLE_SEES_CANCEL cancelAsked
#endif

#if defined(M_NO_FENCE)
#define RUNS_HERE(n_) (node[n_].state == running)
#elif defined(M_NO_LEASE_FENCE)
#define RUNS_HERE(n_) (node[n_].state == running && node[n_].attempt == attemptOf[n_])
#else
#define RUNS_HERE(n_) (node[n_].state == running && node[n_].attempt == attemptOf[n_] && node[n_].row == t && row[t].lease == LEASE)
#endif

#define IS_ACCEPTED(n_) (RUNS_HERE(n_) && !SETTLE_SEES_CANCEL)

#ifdef M_REPEAT_IS_REFUSED
#define IS_REPEAT(n_) false
#else
#define IS_REPEAT(n_) (node[n_].attempt == attemptOf[n_] && node[n_].state != running && HAS(closed[n_], attemptOf[n_] - 1) \
                    && ((row[t].state != no_row && row[t].lease == LEASE) \
                     || (row[t].state == no_row && (node[n_].state == succeeded || node[n_].state == retrying))))
#endif

#ifdef M_NO_RETRY_LIMIT
#define MAY_RETRY(n_) true
#else
#define MAY_RETRY(n_) (node[n_].failures < MAX_RETRIES)
#endif

/* R24: the slot that a settle frees, and free ones. */
#ifdef M_SETTLE_TAKES_ANY
#define FREED(held_) NODES
#else
#define FREED(held_) (EXTRA < SLOTS - COUNT(held_) -> 1 + EXTRA : 1 + SLOTS - COUNT(held_))
#endif

inline settle(n_) {
  newGrants = 0; newOwes = 0; newRefused = 0; newRepeat = 0; newCode = code;
  if
  :: opened && IS_ACCEPTED(n_) ->
     assert(!cancelAsked);                                                  /* R13: nothing is accepted after a cancel */
#ifdef TAIL
     assert(grantedTo[n_] == t * 16 + lease);                               /* R22: a worker ahead of the state never writes into it */
#endif
     close_attempt(n_, attemptOf[n_]);
     fired = 0; newCode = work_left;
     slots = (stops == 0 && !SETTLE_SEES_PAUSE -> FREED(held) : 0);          /* a delivery that stops asks for none */
     count_nodes(t);
     if
     :: outcome == SUCCESS ->
        node[n_].state = succeeded; node[n_].row = NO_ROW;
        everSucceeded = everSucceeded | BIT(n_);
        resolve();
        dispatch((stops == 0 -> KEEP : 0))
     :: outcome == FAILURE && MAY_RETRY(n_) ->
        node[n_].failures++;
        node[n_].state = retrying;
        if
        :: several == 1 -> newCode = retry_in_place                         /* R7: the row holds only this node */
        :: else -> move_to_new_ticket(n_)                                   /* R7: else to a ticket of its own; siblings go on */
        fi
     :: outcome == FAILURE && !MAY_RETRY(n_) ->
        node[n_].failures++;
        node[n_].state = failed; reds++;                                    /* it stays in its row (R1) */
        resolve();
        dispatch((stops == 0 -> KEEP : 0))
     :: else -> node[n_].state = ready                                      /* interrupted: costs nothing */
     fi;
     grant_ready();
     if :: newCode != retry_in_place -> close_row(t) :: else fi;
     end_run()
  :: opened && !IS_ACCEPTED(n_) && IS_REPEAT(n_) ->
     /* R4: repeated, the stored answer again: the row's code, and what is still owed. It names no grants: with work left
      * the delivery claims once more, and gets them again under its lease */
     newRepeat = 1;
     if
     :: row[t].state == no_row -> newCode = row_empty
     :: row[t].state == ended -> newCode = only_failed
     :: row[t].state == claimed && node[n_].state == retrying && node[n_].row == t -> newCode = retry_in_place
     :: else -> newCode = work_left
     fi;
     scan_owed()
  :: opened && cancelAsked && !IS_ACCEPTED(n_) && !IS_REPEAT(n_) && node[n_].state == running && node[n_].attempt == attemptOf[n_] ->
     newCode = row_empty                                                    /* R13: cancelled; the delivery completes its job */
  :: else -> newRefused = 1                                                 /* superseded, behind or no_run */
  fi
}

/* The answer reaches the worker. */
inline learn() {
  held = held | newGrants;
  owes = owes | newOwes;
  code = newCode;
  refused = refused | newRefused;
  assert(COUNT(held) <= SLOTS);                                             /* R24: no more handlers than slots */
  k = 0;
  do
  :: k < NODES -> if :: HAS(newGrants, k) -> attemptOf[k] = node[k].attempt :: else fi; k++
  :: else -> break
  od
}

/* Ghost: which delivery an attempt was granted to. */
#if defined(TAIL) || defined(M_LEASE_IS_TOKEN)
byte grantedTo[NODES];
#ifdef TAIL
#define WHO (t * 16 + lease)
#else
#define WHO lease
#endif
inline remember_grants() {
  k = 0;
  do :: k < NODES -> if :: HAS(newGrants, k) -> grantedTo[k] = WHO :: else fi; k++ :: else -> break od
}
#else
#define remember_grants() skip
#endif
