/* What Redis holds of one run, and the ghosts: variables that only the invariants read. */

/* ---- what Redis holds */

mtype:node_state = { pending, ready, running, retrying, parked, succeeded, failed, skipped, upstream_failed };
mtype:row_state  = { no_row, owed, claimed, ended };
mtype:job_state  = { absent, waiting, processing, failed_set };  /* waiting: also delayed, for time is not modelled */

#define NO_ROW 15
#define NOBODY 15          /* a row's writer: the reconciler, or whoever resumed */
#define IS_FINAL(n) (node[n].state == succeeded || node[n].state == failed || node[n].state == skipped \
                  || node[n].state == upstream_failed)
#define IS_GOOD(n)  (node[n].state == succeeded || node[n].state == skipped)
#define IS_BAD(n)   (node[n].state == failed || node[n].state == upstream_failed)

typedef Node {             /* R1: a node names the row that holds it, so no node is ever in two rows */
  mtype:node_state state;
  byte row;
  byte attempt;            /* number of the last attempt granted */
  byte failures;           /* retry ledger */
  byte crashes             /* crash ledger (R6) */
};
typedef Row {              /* R1: the run's record of a ticket */
  mtype:row_state state;
  byte lease;              /* of its last claim */
  byte writer;             /* R8: the ticket whose delivery must add the job */
#ifdef MANUAL
  byte stalled;            /* R11: stalled count and failures seen at its last claim */
  byte made
#endif
};
typedef Job {              /* BullMQ's side of a ticket */
  mtype:job_state state;
  byte lock;               /* the BullMQ token in the lock key, 0 = no lock. A token is a slot's, and used again and again */
  byte started;            /* attemptsStarted: its deliveries. A job that is removed and added again begins at 0 */
#ifdef MANUAL
  byte stalled;            /* stalledCounter */
#ifdef RESET
  byte traces;             /* number of stack traces: resetAttemptsMade leaves them */
#endif
  byte made                /* attemptsMade */
#endif
};
Node node[NODES];
Row  row[TICKETS];
Job  job[TICKETS];
byte tickets = 1;          /* R2: the run's counter; ticket 0 is the flow job */
bit  opened;               /* R17: the run is known */
bit  runEnded, runRed;     /* red: it ended as failed */
byte reds;                 /* the run's counter of failed and upstream_failed nodes that nothing forgave */
#if JOIN < NODES
byte forgiven;             /* nodes whose failure a plan B made up for: the letters f and u */
#define FORGIVEN(n) HAS(forgiven, n)
#else
#define FORGIVEN(n) false
#endif
bit  cancelAsked;          /* R13: the one flag. Nodes that were not final read as cancelled from then on */
#ifdef PAUSES
bit  paused;               /* R14: the pause flag */
#else
#define paused false
#endif
#if defined(TAIL) || defined(QUEUE_LOSS) || defined(ROW_LOSS) || defined(RESUMER_DIES) || defined(RECONCILER)
bit  lossHappened;
#endif

/* The lease of a delivery is unique: here (ticket, number of the delivery). It lives in workers, not in Redis:
 * a loss of Redis' tail does not make an old lease valid again. */
byte deliveries[TICKETS];

/* ---- ghosts: only for the invariants */

byte closed[NODES];        /* bit a-1: the end of attempt a is recorded (I3, I6) */
byte everSucceeded;        /* nodes whose success was settled (I2) */
#if JOIN < NODES
byte joinValue;            /* the node whose result the join took, + 1 (I3) */
#endif
byte givenBack[TICKETS];   /* the last lease that was handed back, neither lost nor in doubt (R6 must not charge it) */
#ifdef M_NODE_LIST_IN_JOB
byte jobNodes[TICKETS];
#endif
#ifdef MANUAL
bit  pressed[TICKETS];     /* somebody pressed Retry, and it was neither granted nor did the job fail again yet (R11) */
#endif
#ifdef TAIL
byte workingOn[WORKERS + 1];   /* ticket + 1 of a slot: it renews only that lock */
bit  wentBack;             /* Redis went back: every worker had to connect again */
#endif

byte crashesLeft = CRASHES, expiriesLeft = EXPIRIES, failuresLeft = FAILURES, interruptsLeft = INTERRUPTS, lostLeft = LOST, doubtLeft = DOUBT, earlyLeft = EARLY;

#ifdef LATE_COPY
byte copiesLeft = LATE_COPY, copyToken, copyTicket, copyLease, copyStarted;
#ifdef MANUAL
byte copyStalled, copyMade;
#define COPY_COUNTS copyStalled = stalledSeen; copyMade = madeSeen
#else
#define COPY_COUNTS skip
#endif
#endif

/* Scratch of the scripts: written before it is read in every d_step, so it is no part of the state. */
hidden byte i, k, r, slots, several, fired, good, bad, final_, kept;
hidden byte newGrants, newOwes;
hidden byte  hasWork, hasFailed, accepted, newRefused, newRepeat, started;

/* R6: a process has one place for nodes that were lost twice. Here all slots are of one process. */
#ifdef ISOLATION
byte isolation;            /* the slot that holds the place */
#define NEEDS_ISOLATION(n_) (node[n_].crashes > 1)
#else
#define isolation 0
#define NEEDS_ISOLATION(n_) false
#endif

/* Why a delivery starts nothing new. */
#define LATE    1          /* the claim's answer came too late: what it granted is given back, then it claims again */
#define CLOSING 2          /* the worker closes: the row's rest is handed back */

/* How the last answer says the delivery must end (R9). */
mtype = { work_left, row_empty, only_failed, retry_in_place, too_early, not_now, not_isolated };
hidden mtype newCode;
