import { type ChildProcess, spawn } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Redis } from 'ioredis'
import { Producer, type RunHandle } from 'reprise'
import { provisionRedis } from '../src/cli/redis/provision-redis.ts'
import { percentile } from './measure.ts'
import { punctual } from './punctuality-flow.ts'

// How late a retry starts, by Redis' clock: three worker processes, an idle Redis with its default of 10 ticks a second.
const SAMPLES = Number(process.argv[2] ?? 200)
const PROCESSES = 3

const redis = await provisionRedis({ temporary: true })
const admin = new Redis(redis.url)
await admin.config('SET', 'hz', '10')
const producer = new Producer({ redis: redis.url, namespace: 'punctuality' })

function startWorker(): ChildProcess {
  const script = fileURLToPath(new URL('./punctuality-process.ts', import.meta.url))
  return spawn(process.execPath, ['--import', 'tsx', script, redis.url], { stdio: 'inherit' })
}

async function lateness(run: RunHandle<unknown>): Promise<number | null> {
  await run.result({ timeout: '1m' })
  const node = (await run.read())?.nodes[0]
  const failure = node?.log.find(
    ({ decision }) => decision?.action === 'retry' && decision.rule !== 'crash',
  )
  const wasLost = node?.log.some(({ kind }) => kind === 'crash')
  if (!node || !failure || wasLost || node.startedAt === null) return null
  const delayMs = failure.decision?.action === 'retry' ? failure.decision.delayMs : 0
  return node.startedAt - (failure.endedAt + delayMs)
}

async function measure(name: string, withKills: boolean) {
  const workers = Array.from({ length: PROCESSES }, startWorker)
  await sleep(3_000)
  const runs: RunHandle<unknown>[] = []
  for (let i = 0; i < SAMPLES; i++) {
    runs.push(await producer.enqueue(punctual, { delayMs: 500 + Math.floor(Math.random() * 700) }))
    await sleep(100 + Math.random() * 100)
    if (withKills && i % 10 === 9) {
      workers.shift()?.kill('SIGKILL')
      workers.push(startWorker())
    }
  }
  const values = (await Promise.all(runs.map(lateness))).filter((value) => value !== null)
  for (const worker of workers) worker.kill('SIGKILL')
  return {
    workers: name,
    retries: values.length,
    p50: percentile(values, 0.5),
    p99: percentile(values, 0.99),
    max: Math.max(...values),
    early: values.filter((value) => value < 0).length,
  }
}

const rows = [
  await measure('undisturbed', false),
  await measure('killed one after the other', true),
]
console.log(`${redis.description}, hz 10; lateness of retries in ms, by Redis' clock`)
console.table(rows)
await producer.close()
admin.disconnect()
await redis.stop()
