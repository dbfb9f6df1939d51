// Runs the flow in a worker of this process:
//   REDIS_URL=redis://127.0.0.1:6379 npx tsx examples/etl/main.ts [folder for revenue.csv]
import { readFile } from 'node:fs/promises'
import { pino } from 'pino'
import { Producer, Worker } from 'reprise'
import { etl } from './flow.ts'

const redis = process.env.REDIS_URL ?? 'redis://127.0.0.1:6379'
const namespace = process.env.REPRISE_NAMESPACE ?? 'reprise-etl'
const [outDir] = process.argv.slice(2)

const worker = new Worker({ redis, namespace, flows: [etl], logger: pino({ level: 'warn' }) })
const producer = new Producer({ redis, namespace })
try {
  await Promise.all([worker.ready(), producer.ready()])
  const run = await producer.enqueue(etl, outDir === undefined ? {} : { outDir })
  for await (const event of run.events()) {
    if (event.type === 'attempt.started') console.log(`${event.node}: attempt ${event.attempt}`)
    if (event.type === 'attempt.failed') console.log(`${event.node}: ${event.error?.message}`)
  }
  const { file } = await run.result()
  console.log(`${file}\n${await readFile(file, 'utf8')}`)
} finally {
  await Promise.all([worker.close(), producer.close()])
}
