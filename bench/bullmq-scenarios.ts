import { type FlowJob, FlowProducer, Queue, Worker } from 'bullmq'
import { countdown, enqueueAll, type Scenario, type Surroundings } from './scenario.ts'

const JOB = { removeOnComplete: true } as const

/** Plain jobs: what everything else is compared with. */
export function rawJobs(around: Surroundings): Scenario {
  return {
    name: 'raw jobs',
    tasksPerRun: 1,
    execute: (runs, clock) =>
      withQueue(around, async (queue, serve) => {
        const ends = countdown(runs)
        serve(async () => {
          ends.one()
          return { ok: 1 }
        })
        await clock.started()
        await enqueueAll(runs, (i) => queue.add('job', { i }, JOB))
        await ends.done
        await clock.ended()
      }),
  }
}

/** A chain as people write it by hand: each handler adds the next job. */
export function handWrittenChain(around: Surroundings, length: number): Scenario {
  return {
    name: `hand-written chain of ${length}`,
    tasksPerRun: length,
    execute: (runs, clock) =>
      withQueue(around, async (queue, serve) => {
        const ends = countdown(runs)
        serve(async (data) => {
          const result = { ok: 1 }
          if (data.step + 1 === length) ends.one()
          else await queue.add('step', { i: data.i, step: data.step + 1, result }, JOB)
          return result
        })
        await clock.started()
        await enqueueAll(runs, (i) => queue.add('step', { i, step: 0 }, JOB))
        await ends.done
        await clock.ended()
      }),
  }
}

/** A fan-out and fan-in by hand: a counter in Redis finds out who comes last. */
export function handWrittenFan(around: Surroundings, width: number): Scenario {
  return {
    name: `hand-written 1-${width}-1`,
    tasksPerRun: width + 2,
    execute: (runs, clock) =>
      withQueue(around, async (queue, serve) => {
        const ends = countdown(runs)
        const redis = around.connect()
        const prefix = around.freshName()
        serve(async (data) => {
          const result = { ok: 1 }
          if (data.step === 0) {
            await Promise.all(
              Array.from({ length: width }, () =>
                queue.add('step', { i: data.i, step: 1, result }, JOB),
              ),
            )
          } else if (data.step === 1) {
            const left = await redis.incr(`${prefix}:${data.i}`)
            if (left === width) await queue.add('step', { i: data.i, step: 2, result }, JOB)
          } else {
            await redis.del(`${prefix}:${data.i}`)
            ends.one()
          }
          return result
        })
        await clock.started()
        await enqueueAll(runs, (i) => queue.add('step', { i, step: 0 }, JOB))
        await ends.done
        await clock.ended()
        redis.disconnect()
      }),
  }
}

/** BullMQ's own flows: a chain of parents and children. */
export function flowProducerChain(around: Surroundings, length: number): Scenario {
  const job = (queueName: string, depth: number, i: number): FlowJob => ({
    name: depth === 0 ? 'last' : 'step',
    queueName,
    data: { i },
    opts: JOB,
    ...(depth + 1 < length ? { children: [job(queueName, depth + 1, i)] } : {}),
  })
  return flowProducer(around, `FlowProducer chain of ${length}`, length, (queue, i) =>
    job(queue, 0, i),
  )
}

/** BullMQ's own flows: one parent with `width` children (it has no common first node). */
export function flowProducerTree(around: Surroundings, width: number): Scenario {
  return flowProducer(around, `FlowProducer tree 1+${width}`, width + 1, (queueName, i) => ({
    name: 'last',
    queueName,
    data: { i },
    opts: JOB,
    children: Array.from({ length: width }, () => ({
      name: 'child',
      queueName,
      data: { i },
      opts: JOB,
    })),
  }))
}

function flowProducer(
  around: Surroundings,
  name: string,
  tasksPerRun: number,
  job: (queue: string, i: number) => FlowJob,
): Scenario {
  return {
    name,
    tasksPerRun,
    execute: (runs, clock) =>
      withQueue(around, async (queue, serve) => {
        const ends = countdown(runs)
        const connection = around.connect()
        const producer = new FlowProducer({ connection })
        serve(async (_, current) => {
          await current.getChildrenValues()
          if (current.name === 'last') ends.one()
          return { ok: 1 }
        })
        await clock.started()
        await enqueueAll(runs, (i) => producer.add(job(queue.name, i)))
        await ends.done
        await clock.ended()
        await producer.close()
        connection.disconnect()
      }),
  }
}

interface StepData {
  readonly i: number
  readonly step: number
}

type Handler = (
  data: StepData,
  job: { readonly name: string; getChildrenValues(): Promise<unknown> },
) => Promise<unknown>

async function withQueue(
  around: Surroundings,
  body: (queue: Queue, serve: (handler: Handler) => void) => Promise<void>,
): Promise<void> {
  const name = around.freshName()
  const connections = [around.connect(), around.connect()] as const
  const queue = new Queue(name, {
    connection: connections[0],
    streams: { events: { maxLen: 1_000 } },
  })
  const workers: Worker[] = []
  const serve = (handler: Handler) => {
    workers.push(
      new Worker(name, (job) => handler(job.data, job), {
        connection: connections[1],
        concurrency: around.concurrency,
      }),
    )
  }
  await body(queue, serve)
  await Promise.all(workers.map((worker) => worker.close()))
  await queue.obliterate({ force: true })
  await queue.close()
  for (const connection of connections) connection.disconnect()
}
