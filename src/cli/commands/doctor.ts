import { setTimeout as sleep } from 'node:timers/promises'
import { Command } from 'commander'
import { pino } from 'pino'
import { connectRedis, waitForRedis } from '../../coordinator/connection.ts'
import { Coordinator } from '../../coordinator/coordinator.ts'
import { ShardKeys } from '../../coordinator/keys.ts'
import { Reruns } from '../../coordinator/reruns.ts'
import { RunReader } from '../../coordinator/run-reader.ts'
import { type Duration, toMs } from '../../core/duration.ts'
import { Queues } from '../../producer/queues.ts'
import { Graphs } from '../../worker/graphs.ts'
import { Handlers } from '../../worker/handlers.ts'
import { type Finding, Reconciler } from '../../worker/reconciler.ts'
import { RunRetries } from '../../worker/run-retries.ts'
import type { Suspicion } from '../../worker/suspicions.ts'
import { type GlobalOptions, readGlobalOptions } from '../global-options.ts'

interface DoctorArguments {
  readonly mend?: true
  readonly bound: string
}

const DAY_MS = 86_400_000

/** `reprise doctor`: what the reconciler of the workers does, by hand and with words (design rule R16). */
export function doctorCommand(): Command {
  return new Command('doctor')
    .description('look for runs that nothing would wake any more, and mend them')
    .option('--mend', 'act on what stays the same for the whole bound')
    .option('--bound <duration>', 'how long a worker may need to notice a crash', '25s')
    .action(async (options: DoctorArguments, command: Command) => {
      const boundMs = toMs(options.bound as Duration, '--bound')
      await withReconciler(readGlobalOptions(command), boundMs, async (reconciler) => {
        report(await reconciler.pass(0))
        if (!options.mend) return
        console.log(`looking again in ${options.bound}: only what has not changed is mended`)
        await sleep(boundMs + 100)
        report(await reconciler.pass(0))
        const { retries, cancels } = await reconciler.finish(boundMs)
        for (const runId of retries) console.log(`${runId}: its retry was due: decided`)
        for (const runId of cancels) console.log(`${runId}: its child runs are cancelled now`)
      })
    })
}

async function withReconciler(
  { redis: location, namespace }: GlobalOptions,
  boundMs: number,
  work: (reconciler: Reconciler) => Promise<void>,
): Promise<void> {
  const redis = connectRedis(location, 'impatient')
  redis.on('error', () => {
    // A connection that fails shows itself by the calls that it fails.
  })
  try {
    await waitForRedis(redis, location)
    const keys = new ShardKeys(namespace, 0)
    const retention = { succeededMs: DAY_MS, failedMs: 7 * DAY_MS }
    const settings = { retention, maxCrashes: 3 }
    const coordinator = new Coordinator(redis, keys, settings)
    const reruns = new Reruns(redis, keys, settings)
    const queues = new Queues(redis, keys.prefix, { onError: () => {} })
    const graphs = new Graphs(coordinator, new Handlers([], []))
    const logger = pino({ level: 'silent' })
    const reader = new RunReader(redis, keys)
    const runRetries = new RunRetries({ reruns, reader, queues, logger, hooks: {}, retries: 'on' })
    const parts = {
      redis,
      coordinator,
      reruns,
      runRetries,
      graphs,
      reader,
      queues,
      logger,
      boundMs,
    }
    await work(new Reconciler({ ...parts, owner: 'doctor' }))
    await queues.close()
  } finally {
    redis.disconnect()
  }
}

function report(findings: readonly Finding[]): void {
  if (findings.length === 0) console.log('nothing is stuck')
  for (const { runId, suspicion, wasMended } of findings) {
    console.log(`${runId}: ${describe(suspicion)}${wasMended ? ': mended' : ''}`)
  }
}

function describe(suspicion: Suspicion): string {
  switch (suspicion.kind) {
    case 'owed':
      return `ticket ${suspicion.ticket} is owed, and its job does not exist`
    case 'claimed':
      return `the job of ticket ${suspicion.ticket} is gone, and its nodes are not settled`
    case 'orphan':
      return `node ${suspicion.index} can run, and no ticket holds it`
    case 'deserted':
      return `node ${suspicion.index} waits for the run ${suspicion.child}, which is gone or has ended`
    case 'parked':
      return 'a node is parked, and the run is not paused'
    case 'unqueued':
      return 'it repeats another run, and its job does not exist'
  }
}
