import { parseArgs } from 'node:util'
import { Redis } from 'ioredis'
import { provisionRedis } from '../src/cli/redis/provision-redis.ts'
import {
  flowProducerChain,
  flowProducerTree,
  handWrittenChain,
  handWrittenFan,
  rawJobs,
} from './bullmq-scenarios.ts'
import { measure, median, type Sample } from './measure.ts'
import { chain, fan, singleTasks } from './reprise-scenarios.ts'
import type { Scenario, Surroundings } from './scenario.ts'

const { values: args } = parseArgs({
  options: {
    tasks: { type: 'string', default: '10000' },
    rounds: { type: 'string', default: '5' },
    concurrency: { type: 'string', default: '50' },
    only: { type: 'string', default: '' },
  },
})

const provisioned = await provisionRedis({ temporary: true })
const redis = new Redis(provisioned.url)
let names = 0
const around: Surroundings = {
  url: provisioned.url,
  concurrency: Number(args.concurrency),
  connect: () => new Redis(provisioned.url, { maxRetriesPerRequest: null }),
  freshName: () => `bench-${process.pid}-${names++}`,
}
const scenarios: Scenario[] = [
  rawJobs(around),
  handWrittenChain(around, 10),
  flowProducerChain(around, 10),
  chain(around, 10),
  handWrittenFan(around, 8),
  flowProducerTree(around, 9),
  fan(around, 8),
  fan(around, 100),
  singleTasks(around),
].filter(({ name }) => name.includes(args.only) || name === 'raw jobs')

const samples = new Map<string, Sample[]>(scenarios.map(({ name }) => [name, []]))
try {
  console.log(
    `${provisioned.description}; ${args.rounds} rounds of ${args.tasks} tasks, concurrency ${args.concurrency}, one worker process`,
  )
  // A round that does not count: what is measured is a process that has run for a while.
  for (const scenario of scenarios) await measure(redis, scenario, Number(args.tasks))
  for (let round = 0; round < Number(args.rounds); round++) {
    for (const scenario of scenarios) {
      const sample = await measure(redis, scenario, Number(args.tasks))
      samples.get(scenario.name)?.push(sample)
    }
    await redis.flushall()
  }
  report()
} finally {
  redis.disconnect()
  await provisioned.stop()
}

function report(): void {
  const raw = samples.get('raw jobs') ?? []
  const rows = scenarios.map(({ name }) => {
    const own = samples.get(name) ?? []
    const middle = (pick: (sample: Sample) => number) => median(own.map(pick))
    // Ratios are taken round by round: the machine's mood changes between rounds, not within one.
    const ratios = own.map((sample, i) => sample.tasksPerSecond / (raw[i]?.tasksPerSecond ?? 1))
    return {
      scenario: name,
      'tasks/s': Math.round(middle((sample) => sample.tasksPerSecond)),
      '÷ raw': median(ratios).toFixed(2),
      spread: `${Math.min(...ratios).toFixed(2)}–${Math.max(...ratios).toFixed(2)}`,
      'scripts/task': middle((sample) => sample.scripts).toFixed(2),
      'bytes/task': Math.round(middle((sample) => sample.bytes)),
      'Redis µs': Math.round(middle((sample) => sample.redisMicros)),
      'Node µs': Math.round(middle((sample) => sample.nodeMicros)),
    }
  })
  console.table(rows)
}
