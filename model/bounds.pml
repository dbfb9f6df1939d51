/* How much may happen in one check, and on which graph. Every bound is a -D flag. */

/* ---- bounds: how much may happen */

#ifndef WORKERS
#define WORKERS 2          /* worker slots; a slot handles one delivery at a time */
#endif
#ifndef CRASHES
#define CRASHES 0          /* workers killed, at any step */
#endif
#ifndef EXPIRIES
#define EXPIRIES 0         /* locks that expire while their owner lives: it becomes a zombie */
#endif
#ifndef FAILURES
#define FAILURES 0         /* handlers that throw */
#endif
#ifndef INTERRUPTS
#define INTERRUPTS 0       /* workers that begin to close, and claims whose answer comes too late to start anything */
#endif
#ifndef LOST
#define LOST 0             /* answers of a claim or settle that never arrive, though the script ran */
#endif
#ifndef DOUBT
#define DOUBT 0            /* lost answers after which the worker hands the job back instead of asking again */
#endif
#ifndef EARLY
#define EARLY 0            /* claims of a retrying node before its due time */
#endif
#ifndef PRESSES
#define PRESSES 1          /* with MANUAL: how often somebody presses Retry */
#endif
#ifndef MAX_RETRIES
#define MAX_RETRIES 1
#endif
#ifndef MAX_CRASHES
#define MAX_CRASHES 1
#endif
#ifndef SLOTS
#define SLOTS 8            /* free slots passed with a claim (R3, R24); 1 = the nodes of a row run one after the other */
#endif
#ifndef KEEP
#define KEEP 1             /* nodes that a settle made ready and that may stay in its row (R5, R24); 0 = no continuation */
#endif
#ifndef EXTRA
#define EXTRA 0            /* free slots that a settle may take, besides the one that it frees */
#endif
#ifndef MAX_DELIVERIES
#define MAX_DELIVERIES 12  /* of one ticket; more means that a delivery is handed back for ever */
#endif
#ifndef TICKETS
#define TICKETS 4          /* at most 8; an assertion says when it is too small */
#endif

#if defined(TAIL) && (defined(MANUAL) || defined(CANCEL) || defined(PAUSES))
#error "TAIL does not bring back what MANUAL, CANCEL and PAUSES store"
#endif

/* ---- graphs
 * UPS(n): bit set of the nodes that n depends on. DESC(n): bit set of all that depend on n, at any distance.
 * Nodes are numbered so that an upstream comes before what depends on it. ALERT has the trigger any_failed.
 */
#define CHAIN   1          /* A -> B */
#define DIAMOND 2          /* A -> B, C -> D */
#define FAN     3          /* A -> B, C, D -> E: B continues (R5), C and D are a company, E is a join */
#define ALERTED 4          /* A -> B, and A -> H when A failed */
#define PLAN_B  5          /* A -> X, Z; X -> Y; J joins Y and its plan B, Z: it is virtual, and forgives X and Y */
#ifndef GRAPH
#define GRAPH FAN
#endif

#if GRAPH == CHAIN
#define NODES 2
#define UPS(n)  ((n) == 0 -> 0 : 1)
#define DESC(n) ((n) == 0 -> 2 : 0)
#define ALERT 99
#elif GRAPH == DIAMOND
#define NODES 4
#define UPS(n)  ((n) == 0 -> 0 : ((n) == 3 -> 6 : 1))
#define DESC(n) ((n) == 0 -> 14 : ((n) == 3 -> 0 : 8))
#define ALERT 99
#elif GRAPH == FAN
#define NODES 5
#define UPS(n)  ((n) == 0 -> 0 : ((n) == 4 -> 14 : 1))
#define DESC(n) ((n) == 0 -> 30 : ((n) == 4 -> 0 : 16))
#define ALERT 99
#elif GRAPH == PLAN_B
#define NODES 5
#define UPS(n)  ((n) == 0 -> 0 : ((n) == 4 -> 12 : ((n) == 3 -> 2 : 1)))
#define DESC(n) ((n) == 0 -> 30 : ((n) == 1 -> 24 : ((n) == 4 -> 0 : 16)))
#define ALERT 99
#define JOIN 4
#define PLAN_A 10          /* X and Y */
#else
#define NODES 3
#define UPS(n)  ((n) == 0 -> 0 : 1)
#define DESC(n) ((n) == 0 -> 6 : 0)
#define ALERT 2
#endif

#ifndef JOIN
#define JOIN 99
#endif

#define BIT(x)      (1 << (x))
#define HAS(set, x) (((set) >> (x)) & 1)
#define COUNT(set)  (HAS(set, 0) + HAS(set, 1) + HAS(set, 2) + HAS(set, 3) + HAS(set, 4))
#define WITHOUT(set, x) ((set) & (255 - BIT(x)))
