import { existsSync } from 'node:fs'
import { extname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { RepriseError } from '../../core/errors.ts'
import { Producer } from '../../producer/producer.ts'
import type { RunHandle } from '../../producer/run-handle.ts'
import { machineWithRedis } from '../machine-with-redis.ts'
import { provisionRedis } from '../redis/provision-redis.ts'
import { summarise } from '../summary.ts'
import { follow } from '../view/follow.ts'
import { summaryText } from '../view/summary-text.ts'
import type { Terminal } from '../view/terminal.ts'
import { ChildProgram } from './child-program.ts'
import type { Owned } from './owned.ts'
import { type DemoSettings, type Note, SCENARIOS, type ScenarioName } from './scenarios.ts'

/** What the demo needs to know. */
export interface DemoOptions extends DemoSettings {
  readonly scenario: ScenarioName
  /** Allows to install a Redis. */
  readonly install: boolean
  /** A Redis of the user's; null to find or start one. */
  readonly givenRedis: string | null
  readonly namespace: string
}

const WORKERS = 2
const OPENING_TIMEOUT_MS = 20_000
const POLL_MS = 50

const readyLine = z.object({ msg: z.literal('worker is ready') })

/**
 * Runs an example for real: Redis, what the example needs, two workers, one run, which is shown until it ends, and the
 * summary of it.
 *
 * @param owned gets all that is started; its owner ends it
 * @throws RunFailed when the run failed, and whatever else went wrong
 */
export async function runDemo(
  options: DemoOptions,
  owned: Owned,
  terminal: Terminal,
): Promise<void> {
  const { flow, module, prepare } = SCENARIOS[options.scenario]
  if (!existsSync(module)) throw missing(module)
  const url = await startRedis(options, owned)
  const { input, notes } = await prepare(options, owned)
  notes.forEach(printNote)
  const workers = await startWorkers(module, url, options.namespace, owned)
  const client = new Producer({ redis: url, namespace: options.namespace })
  const producer = owned.own(client, () => client.close())
  const run = await producer.enqueue({ flow }, input)
  printNote({ what: 'Run', text: `${run.id} of ${flow}\n` })
  const workerEnd = Promise.race(workers.map((worker) => worker.failed))
  await Promise.race([showToEnd(run, terminal), workerEnd])
}

async function showToEnd(run: RunHandle, terminal: Terminal): Promise<void> {
  await waitForOpening(run)
  await follow(run, terminal)
  const snapshot = await run.read()
  if (snapshot) console.log(`\n${summaryText(summarise(snapshot), terminal.colors)}`)
  console.log(`  Result  ${JSON.stringify(await run.result())}`)
}

/** Two idle workers take a job at once: if they do not, something is wrong. */
async function waitForOpening(run: RunHandle): Promise<void> {
  const deadline = Date.now() + OPENING_TIMEOUT_MS
  while ((await run.read()) === null) {
    if (Date.now() > deadline) {
      throw new RepriseError(
        'timeout',
        `the workers have not begun run ${run.id} within ${OPENING_TIMEOUT_MS / 1_000} s`,
      )
    }
    await sleep(POLL_MS)
  }
}

async function startRedis({ install, givenRedis }: DemoOptions, owned: Owned): Promise<string> {
  const redis = await provisionRedis(
    { temporary: true, install, onNotice: (text) => printNote({ what: '', text }) },
    machineWithRedis(givenRedis),
  )
  owned.own(redis, () => redis.stop())
  printNote({ what: 'Redis', text: redis.description })
  return redis.url
}

/** The address goes by the environment: arguments can be read by everybody on the machine, and it may hold a password. */
async function startWorkers(
  module: string,
  url: string,
  namespace: string,
  owned: Owned,
): Promise<readonly ChildProgram[]> {
  const main = fileURLToPath(new URL(`../main${extname(import.meta.url)}`, import.meta.url))
  const args = ['--namespace', namespace, 'worker', module, '--shutdown-timeout', '1s']
  const workers = Array.from({ length: WORKERS }, (_, index) => {
    const worker = new ChildProgram(`worker ${index + 1}`, main, args, { REDIS_URL: url })
    return owned.own(worker, () => worker.stop())
  })
  const pids = workers.map(({ pid }) => `pid ${pid}`).join(', ')
  printNote({ what: 'Workers', text: `${WORKERS} processes (${pids})` })
  await Promise.all(
    workers.map((worker) => worker.waitForLine((line) => readyLine.safeParse(line).data ?? null)),
  )
  return workers
}

function printNote({ what, text }: Note): void {
  console.log(`${what.padEnd(8)} ${text}`)
}

function missing(module: string): RepriseError {
  return new RepriseError(
    'options',
    `the demo's example was not found: there is no ${module}. It is part of the repository, not of the package`,
  )
}
