/* A worker slot: it takes one delivery after the other, and may die or sleep between any two steps. */

/* ---- a worker slot: one delivery after the other */

#define FETCHABLE(t_) (t_ < TICKETS && job[t_].state == waiting)

inline forget_delivery() {
  k = 0;
  do :: k < NODES -> attemptOf[k] = 0; k++ :: else -> break od;
#ifdef TAIL
  workingOn[token] = 0;
#endif
#ifdef MANUAL
  stalledSeen = 0; madeSeen = 0;
#endif
#ifdef CONFIRM
  knowsWentBack = wentBack;
#endif
  t = 0; lease = 0; held = 0; owes = 0; refused = 0; outcome = 0; n = 0; code = work_left; tooEarly = 0; lost = 0
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

/* R9: exactly one end; BullMQ accepts it only from the token in the lock. */
inline end_delivery() {
  printf("W%d ends its delivery of job %d: refused %d, %e, lock %d\n", token, t, refused, code, job[t].lock);
  if
  :: job[t].lock == token && job[t].state == processing ->
     job[t].lock = 0;
     if
     :: refused -> job[t].state = waiting; givenBack[t] = lease             /* handed back: attemptsMade unchanged */
     :: !refused && code == too_early -> job[t].state = waiting; givenBack[t] = lease
     :: !refused && code == row_empty ->                                    /* completed, and removed */
        job[t].state = absent;
#ifdef MANUAL
        job[t].stalled = 0; job[t].made = 0; pressed[t] = 0
#endif
     :: !refused && code == only_failed ->
        job[t].state = failed_set;
#ifdef MANUAL
        job[t].made++
#endif
     :: else ->                                                             /* retry_in_place: delayed by BullMQ */
        assert(code == retry_in_place);
        job[t].state = waiting;
#ifdef MANUAL
        job[t].made++
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
  bit refused, tooEarly, lost;
#ifdef CONFIRM
  bit knowsWentBack;         /* its last answer came over the new connection */
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
      printf("W%d fetches job %d, lease %d\n", token, t, lease);
      assert(deliveries[t] < MAX_DELIVERIES);                               /* I1: no delivery comes back for ever */
#ifdef MANUAL
      stalledSeen = job[t].stalled; madeSeen = job[t].made;
#endif
#ifdef TAIL
      workingOn[token] = t + 1
#endif
    }
  }

claiming:
  if
  :: atomic {
       tooEarly = 0; lost = 0;
       if :: true :: earlyLeft > 0 -> earlyLeft--; tooEarly = 1 fi;
#ifdef LATE_COPY
       if :: true :: copyToken == 0 && copiesLeft > 0 -> copiesLeft--; copyToken = token; copyTicket = t; copyLease = lease; COPY_COUNTS fi;
#endif
       if :: true :: lostLeft > 0 -> lostLeft--; lost = 1 fi;
       d_step {
         claim();
         printf("W%d claims %d under lease %d: granted %d, owes %d, %e, lost %d\n", token, t, lease, newGrants, newOwes, newCode, lost);
         remember_grants();
         if :: !lost -> learn()
#ifdef M_HAND_BACK_IN_DOUBT
            :: else -> refused = 1
#else
            :: else
#endif
         fi;
         tooEarly = 0
       }
     }
  :: atomic { MAY_DIE -> crashesLeft--; goto died }
  fi;
#ifndef M_HAND_BACK_IN_DOUBT
  if :: lost -> goto claiming :: else fi;                                   /* R9: in doubt it asks again, under the same lease */
#endif

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
       :: outcome = SUCCESS
       :: failuresLeft > 0 -> failuresLeft--; outcome = FAILURE
       :: interruptsLeft > 0 -> interruptsLeft--; outcome = INTERRUPTED
       fi;
       lost = 0;
       if :: true :: lostLeft > 0 -> lostLeft--; lost = 1 fi;
       d_step {
#ifdef M_HAND_BACK_UNSETTLED
         if :: outcome == INTERRUPTED -> newGrants = 0; newOwes = 0; newCode = code; newRefused = 1 :: else -> settle(n) fi;
#else
         settle(n);
#endif
         printf("W%d settles node %d attempt %d of row %d, outcome %d: refused %d, granted %d, owes %d, %e, lost %d\n", token, n, attemptOf[n], t, outcome, newRefused, newGrants, newOwes, newCode, lost);
         remember_grants();
         if
         :: !lost -> held = WITHOUT(held, n); attemptOf[n] = 0; learn()
#ifdef M_HAND_BACK_IN_DOUBT
         :: else -> held = WITHOUT(held, n); attemptOf[n] = 0; refused = 1
#else
         :: else             /* it still waits for the answer, and will settle again */
#endif
         fi;
         outcome = 0; n = 0; lost = 0
       }
     }
  :: d_step { owes != 0 && !FINISHES_FIRST -> add_what_it_owes() }
  :: held == 0 && (owes == 0 || FINISHES_FIRST) -> break
  :: atomic { MAY_DIE -> crashesLeft--; goto died }
  od;

  if
  :: atomic { held == 0 && !refused && code == work_left -> goto claiming }       /* ready nodes are left: it claims again */
#ifdef CONFIRM               /* after a new connection it asks again, under the same lease, before it ends */
  :: atomic { !refused && code != work_left && knowsWentBack != wentBack -> goto claiming }
  :: d_step { refused || (code != work_left && knowsWentBack == wentBack) ->
#else
  :: d_step { refused || code != work_left ->
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
