import { pino } from 'pino'
import { type Flow, flow, Producer, policy, task, Worker } from 'reprise'
import { z } from 'zod'
import { countdown, enqueueAll, type Scenario, type Surroundings } from './scenario.ts'

const result = z.object({ ok: z.number() })
const retry = policy.exponential({ delay: '1s', maxRetries: 3 })

const first = task({ name: 'first', input: z.object({ i: z.number() }), retry }, () => ({ ok: 1 }))
const step = task({ name: 'step', input: result, retry }, ({ ok }) => ({ ok }))
const join = task(
  { name: 'join', input: z.object({ all: z.array(result) }), retry },
  ({ all }) => ({
    ok: all.length,
  }),
)

// A worker that has run for a while knows how long its tasks take, and lets short ones share tickets.
const WARM_UP_RUNS = 5

type BenchFlow = Flow<{ i: number }, { ok: number }>

/** One task a run. */
export function singleTasks(around: Surroundings): Scenario {
  const single = flow({ name: 'single', input: z.object({ i: z.number() }) }, (input) =>
    first({ i: input.i }),
  )
  return scenario(around, 'reprise single tasks', 1, single)
}

/** Tasks in a row, each with the result of the one before. */
export function chain(around: Surroundings, length: number): Scenario {
  const chained = flow({ name: `chain-${length}`, input: z.object({ i: z.number() }) }, (input) => {
    let last = first({ i: input.i })
    for (let i = 1; i < length; i++) last = step(last)
    return last
  })
  return scenario(around, `reprise chain of ${length}`, length, chained)
}

/** One task, `width` that take its result, one that takes all of theirs. */
export function fan(around: Surroundings, width: number): Scenario {
  const fanned = flow({ name: `fan-${width}`, input: z.object({ i: z.number() }) }, (input) => {
    const source = first({ i: input.i })
    return join({ all: Array.from({ length: width }, () => step(source)) })
  })
  return scenario(around, `reprise 1-${width}-1`, width + 2, fanned)
}

function scenario(
  around: Surroundings,
  name: string,
  tasksPerRun: number,
  benchFlow: BenchFlow,
): Scenario {
  return {
    name,
    tasksPerRun,
    execute: async (runs, clock) => {
      const namespace = around.freshName()
      let ends = countdown(WARM_UP_RUNS)
      const producer = new Producer({ redis: around.url, namespace })
      const worker = new Worker({
        redis: around.url,
        namespace,
        flows: [benchFlow],
        queues: { default: { concurrency: around.concurrency } },
        logger: pino({ level: 'warn' }),
        hooks: {
          onRunEnded: ({ runId, state }) =>
            state === 'succeeded'
              ? ends.one()
              : ends.fail(new Error(`run ${runId} ended as ${state}`)),
          onRefused: ({ runId, node, answer }) =>
            ends.fail(new Error(`run ${runId}: the settle of ${node} was refused: ${answer}`)),
        },
      })
      try {
        await enqueueAll(WARM_UP_RUNS, (i) => producer.enqueue(benchFlow, { i }))
        await ends.done
        ends = countdown(runs)
        await clock.started()
        await enqueueAll(runs, (i) => producer.enqueue(benchFlow, { i }))
        await ends.done
        await clock.ended()
        await checkEnds(around, namespace, runs + WARM_UP_RUNS)
      } finally {
        await producer.close()
        await worker.close()
      }
    },
  }
}

/** All runs must be stored as succeeded: a bench that counts handlers could run fast while it records nothing. */
async function checkEnds(around: Surroundings, namespace: string, runs: number): Promise<void> {
  const redis = around.connect()
  let succeeded = 0
  for await (const keys of redis.scanStream({ match: `{${namespace}:0}/run:*`, count: 1_000 })) {
    if (!Array.isArray(keys)) continue
    const states = await Promise.all(keys.map((key: string) => redis.hget(key, 's')))
    succeeded += states.filter((state) => state === 'S').length
  }
  redis.disconnect()
  if (succeeded !== runs) throw new Error(`${succeeded} of ${runs} runs are stored as succeeded`)
}
