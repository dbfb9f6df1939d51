// Runs the flow in a worker of this process:
//   REDIS_URL=redis://127.0.0.1:6379 npx tsx examples/checksums/main.ts [folder for report.txt]
import { readFile } from 'node:fs/promises'
import { pino } from 'pino'
import { Producer, Worker } from 'reprise'
import { checksums } from './flow.ts'

const redis = process.env.REDIS_URL ?? 'redis://127.0.0.1:6379'
const namespace = process.env.REPRISE_NAMESPACE ?? 'reprise-checksums'
const [outDir] = process.argv.slice(2)

const worker = new Worker({ redis, namespace, flows: [checksums], logger: pino({ level: 'warn' }) })
const producer = new Producer({ redis, namespace })
try {
  await Promise.all([worker.ready(), producer.ready()])
  const run = await producer.enqueue(checksums, outDir === undefined ? {} : { outDir })
  for await (const event of run.events()) {
    if (event.type === 'attempt.started') console.log(`${event.node}: attempt ${event.attempt}`)
    if (event.type === 'attempt.failed') console.log(`${event.node}: ${event.error?.message}`)
  }
  const { file } = await run.result()
  console.log(`${file}\n${await readFile(file, 'utf8')}`)
} finally {
  await Promise.all([worker.close(), producer.close()])
}
