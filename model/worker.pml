/* A worker slot: it takes one delivery after the other, and may die or sleep between any two steps. */

/* ---- a worker slot: one delivery after the other */

#define FETCHABLE(t_) (t_ < TICKETS && job[t_].state == waiting)

inline forget_delivery() {
  k = 0;
  do :: k < NODES -> attemptOf[k] = 0; k++ :: else -> break od;
#if defined(ISOLATION) && !defined(M_ISOLATION_KEPT)
  if :: isolation == token -> isolation = 0 :: else fi;
#endif
#ifdef TAIL
  workingOn[token] = 0;
#endif
#ifdef MANUAL
  stalledSeen = 0; madeSeen = 0;
#endif
#ifdef TAIL
  knowsWentBack = 0;
#endif
  t = 0; lease = 0; startedSeen = 0; held = 0; owes = 0; refused = 0; outcome = 0; n = 0; code = work_left; tooEarly = 0; lost = 0; stops = 0; doubt = 0
}

inline add_job(t_) {       /* R8: adding an id that exists is a no-op */
  if :: job[t_].state == absent -> job[t_].state = waiting :: else fi
}

inline add_what_it_owes() {
  r = 0;
  do :: !HAS(owes, r) -> r++ :: else -> break od;
  owes = WITHOUT(owes, r);
  printf("W%d adds job %d\n", token, r);
  add_job(r)
}

/* How many failures a delivery sees: after resetAttemptsMade a mark that no count reaches, made of the stack traces. */
#ifdef RESET
#ifndef TRACE_LIMIT
#define TRACE_LIMIT 3      /* stackTraceLimit of the jobs: older ones are dropped */
#endif
#define ADD_TRACE() if :: job[t].traces < TRACE_LIMIT -> job[t].traces++ :: else fi
#define NO_TRACES() job[t].traces = 0
#else
#define ADD_TRACE() skip
#define NO_TRACES() skip
#endif
#if defined(RESET) && !defined(M_RESET_UNMARKED)
#define FAILURES_SEEN(t_) (job[t_].made == 0 -> 16 * job[t_].traces : job[t_].made)
#else
#define FAILURES_SEEN(t_) job[t_].made
#endif

#ifndef STRICT
#define STRICT 0           /* 1: not even a lease that was handed back in doubt may be charged */
#endif

/* Ready nodes are left, or what a stored answer did not name: it claims again, under the same lease. A worker that
 * closes has no free slots then: it gets what was granted to it already, and else hands the job back. */
#ifdef M_CLOSING_HANDS_BACK
#define CLAIMS_AGAIN (!refused && code == work_left && stops != CLOSING)
#else
#define CLAIMS_AGAIN (!refused && code == work_left)
#endif

/* R22: Redis went back, so every connection was renewed. Before a delivery completes or fails its job it asks again,
 * under the same lease, if that happened since its first claim. */
#if defined(TAIL) && !defined(M_NO_CONFIRMATION)
#ifdef M_CONFIRMS_SUCCESS_ONLY
#define CONFIRMS (!refused && code == row_empty && knowsWentBack != wentBack)
#else
#define CONFIRMS (!refused && (code == row_empty || code == only_failed) && knowsWentBack != wentBack)
#endif
#else
#define CONFIRMS false
#endif

/* R9: exactly one end; BullMQ accepts it only from the token in the lock. */
inline end_delivery() {
  printf("W%d ends its delivery of job %d: refused %d, %e, lock %d\n", token, t, refused, code, job[t].lock);
  if
  :: job[t].lock == token && job[t].state == processing ->
     job[t].lock = 0;
     if
     :: refused || code == work_left || code == not_now ->                                     /* handed back: attemptsMade unchanged */
        job[t].state = waiting;
        if :: !doubt || STRICT -> givenBack[t] = lease :: else fi
     :: !refused && code == too_early -> job[t].state = waiting; givenBack[t] = lease
     :: !refused && code == row_empty ->                                    /* completed, and removed */
        job[t].state = absent; job[t].started = 0;
#ifdef MANUAL
        job[t].stalled = 0; job[t].made = 0; NO_TRACES(); pressed[t] = 0
#endif
     :: !refused && code == only_failed ->
        job[t].state = failed_set;
#ifdef MANUAL
        job[t].made++; ADD_TRACE(); pressed[t] = 0
#endif
     :: else ->                                                             /* retry_in_place: delayed by BullMQ */
        assert(code == retry_in_place);
        job[t].state = waiting;
#ifdef MANUAL
        job[t].made++; ADD_TRACE()
#endif
     fi
  :: else                                                                   /* a zombie: BullMQ refuses, the job is another's */
  fi
}

#ifdef POISON
#define MAY_DIE (crashesLeft > 0 && HAS(held, 2))
#else
#define MAY_DIE (crashesLeft > 0)
#endif

#ifdef M_FINISH_BEFORE_ADD
#define FINISHES_FIRST true
#else
#define FINISHES_FIRST false
#endif

proctype Slot(byte token) {
  byte t, lease, n, outcome;
  byte held, owes;           /* attempts granted and not answered yet; tickets to add: bit sets */
  byte attemptOf[NODES];
  mtype code = work_left;
  bit refused, tooEarly;
  byte lost;                 /* 1: it asks again; 2: it gives up, and hands back in doubt */
  byte startedSeen;          /* attemptsStarted of its job, as BullMQ delivered it */
  byte stops;                /* LATE or CLOSING */
  bit doubt;                 /* it gave up asking: attempts may have been granted to it that it doesn't know of */
#ifdef TAIL
  bit knowsWentBack;         /* it began to ask over the new connection */
#endif
#ifdef MANUAL
  byte stalledSeen, madeSeen;
#endif

end_idle:
  atomic {                   /* BullMQ gives the slot a waiting job, locked with the slot's token */
    if
    :: FETCHABLE(0) -> t = 0
    :: FETCHABLE(1) -> t = 1
#if TICKETS > 2
    :: FETCHABLE(2) -> t = 2
#endif
#if TICKETS > 3
    :: FETCHABLE(3) -> t = 3
#endif
#if TICKETS > 4
    :: FETCHABLE(4) -> t = 4
#endif
#if TICKETS > 5
    :: FETCHABLE(5) -> t = 5
#endif
#if TICKETS > 6
    :: FETCHABLE(6) -> t = 6
#endif
#if TICKETS > 7
    :: FETCHABLE(7) -> t = 7
#endif
    fi;
    d_step {
      job[t].state = processing; job[t].lock = token;
      deliveries[t]++; lease = deliveries[t];
      job[t].started++; startedSeen = job[t].started;
      printf("W%d fetches job %d, lease %d\n", token, t, lease);
      assert(deliveries[t] < MAX_DELIVERIES);                               /* I1: no delivery comes back for ever */
#ifdef MANUAL
      stalledSeen = job[t].stalled; madeSeen = FAILURES_SEEN(t);
#endif
#ifdef TAIL
      workingOn[token] = t + 1; knowsWentBack = wentBack
#endif
    }
  }

claiming:
  if
  :: atomic {
       tooEarly = 0; lost = 0; doubt = 0;
       if :: stops == LATE -> stops = 0 :: else fi;
       if :: true :: interruptsLeft > 0 && stops == 0 -> interruptsLeft--; stops = LATE :: interruptsLeft > 0 && stops == 0 -> interruptsLeft--; stops = CLOSING fi;
       if :: true :: earlyLeft > 0 -> earlyLeft--; tooEarly = 1 fi;
#ifdef LATE_COPY
       if :: true :: copyToken == 0 && copiesLeft > 0 -> copiesLeft--; copyToken = token; copyTicket = t; copyLease = lease; copyStarted = startedSeen; COPY_COUNTS fi;
#endif
       if :: true :: lostLeft > 0 -> lostLeft--; lost = 1 :: doubtLeft > 0 -> doubtLeft--; lost = 2 fi;
       d_step {
         claim();
         printf("W%d claims %d under lease %d: granted %d, owes %d, %e, lost %d\n", token, t, lease, newGrants, newOwes, newCode, lost);
         remember_grants();
         if
         :: lost == 0 -> learn()
         :: lost == 2 -> refused = 1; doubt = 1
         :: else
         fi;
         tooEarly = 0
       }
     }
  :: atomic { MAY_DIE -> crashesLeft--; goto died }
  fi;
  if :: lost == 1 -> goto claiming :: else fi;                              /* in doubt it asks again, under the same lease */

  do
  :: held != 0 ->            /* a handler ends: any of those that run in this delivery */
     atomic {
       if
       :: HAS(held, 0) -> n = 0
       :: HAS(held, 1) -> n = 1
#if NODES > 2
       :: HAS(held, 2) -> n = 2
#endif
#if NODES > 3
       :: HAS(held, 3) -> n = 3
#endif
#if NODES > 4
       :: HAS(held, 4) -> n = 4
#endif
       fi;
       if
       :: stops != LATE -> outcome = SUCCESS
       :: stops != LATE && failuresLeft > 0 -> failuresLeft--; outcome = FAILURE
       :: stops != 0 -> outcome = INTERRUPTED                               /* or never started */
       fi;
       lost = 0;
       if :: true :: lostLeft > 0 -> lostLeft--; lost = 1 :: doubtLeft > 0 -> doubtLeft--; lost = 2 fi;
       d_step {
#ifdef M_HAND_BACK_UNSETTLED
         if :: outcome == INTERRUPTED -> newGrants = 0; newOwes = 0; newCode = code; newRefused = 1; newRepeat = 0 :: else -> settle(n) fi;
#else
         settle(n);
#endif
         printf("W%d settles node %d attempt %d of row %d, outcome %d: refused %d, granted %d, owes %d, %e, lost %d\n", token, n, attemptOf[n], t, outcome, newRefused, newGrants, newOwes, newCode, lost);
         remember_grants();
         if
         :: lost == 0 ->
            held = WITHOUT(held, n); attemptOf[n] = 0;
#ifdef M_MORE_IS_HANDED_BACK
            if :: newRepeat && newCode == work_left -> newRefused = 1 :: else fi;
#endif
            learn()
         :: lost == 2 -> held = WITHOUT(held, n); attemptOf[n] = 0; refused = 1; doubt = 1
         :: else             /* it still waits for the answer, and will settle again */
         fi;
         outcome = 0; n = 0; lost = 0
       }
     }
  :: d_step { interruptsLeft > 0 && stops != CLOSING && !refused && code == work_left -> interruptsLeft--; stops = CLOSING; printf("W%d closes\n", token) }
  :: d_step { owes != 0 && !FINISHES_FIRST -> add_what_it_owes() }
  :: held == 0 && (owes == 0 || FINISHES_FIRST) -> break
  :: atomic { MAY_DIE -> crashesLeft--; goto died }
  od;

  if
  :: atomic { CLAIMS_AGAIN -> goto claiming }
#ifdef TAIL
  :: atomic { CONFIRMS -> knowsWentBack = wentBack; goto claiming }
#endif
#ifdef ISOLATION             /* it waits for the place, keeps its lease, and claims again */
  :: atomic { !refused && code == not_isolated && isolation == 0 -> isolation = token; goto claiming }
  :: atomic { code == not_isolated && MAY_DIE -> crashesLeft--; goto died }
#endif
#ifdef SLOW_END              /* as in the code: what it has just confirmed may change before the job ends */
  :: !CLAIMS_AGAIN && !CONFIRMS && (refused || code != not_isolated); d_step {
#else
  :: d_step { !CLAIMS_AGAIN && !CONFIRMS && (refused || code != not_isolated) ->
#endif
       end_delivery();
#ifndef M_FINISH_BEFORE_ADD
       forget_delivery()
#endif
     }
#ifdef M_FINISH_BEFORE_ADD
     ; skip;
     do
     :: d_step { owes != 0 -> add_what_it_owes() }
     :: owes == 0 -> break
     :: atomic { MAY_DIE -> crashesLeft--; goto died }
     od;
     skip;
     d_step { forget_delivery() }
#endif
  fi;
  skip;
  goto end_idle;

died: skip;                  /* SIGKILL: its lock is not renewed any more; a new process takes the slot */
  d_step {
    printf("W%d dies with job %d\n", token, t);
    if :: job[t].lock == token -> job[t].lock = 0 :: else fi;
    forget_delivery()
  }
  skip;
  goto end_idle
}
