import { Command, InvalidArgumentError } from 'commander'
import { pino } from 'pino'
import { describeRedis } from '../../coordinator/connection.ts'
import { Worker } from '../../worker/worker.ts'
import { parseDuration } from '../argument-parsers.ts'
import { type GlobalOptions, readGlobalOptions } from '../global-options.ts'
import { loadModules } from '../load-modules.ts'
import { waitForSignal } from '../signal-wait.ts'
import { withProducer } from '../with-producer.ts'

type Queues = Readonly<Record<string, { readonly concurrency: number }>>

interface WorkerArguments {
  readonly queue?: Queues
  readonly lease?: number
  readonly stalledInterval?: number
  readonly shutdownTimeout?: number
}

/** `reprise worker <modules...>`: executes the flows and tasks that the modules export, until SIGTERM or SIGINT. */
export function workerCommand(): Command {
  return new Command('worker')
    .description('execute the flows and tasks that modules (TypeScript or JavaScript) export')
    .argument('<modules...>', 'files that export what flow(), task() or definePolicy() returned')
    .option(
      '--queue <name=concurrency>',
      'a queue to serve; repeatable (default: default=50)',
      addQueue,
    )
    .option(
      '--lease <duration>',
      'how long a silent worker keeps its jobs (default: 15s)',
      parseDuration,
    )
    .option(
      '--stalled-interval <duration>',
      'how often lost jobs are looked for (default: 5s)',
      parseDuration,
    )
    .option(
      '--shutdown-timeout <duration>',
      'how long running handlers may go on after a signal (default: 10s)',
      parseDuration,
    )
    .action((modules: readonly string[], options: WorkerArguments, command: Command) =>
      runWorker(modules, options, readGlobalOptions(command)),
    )
}

async function runWorker(
  modules: readonly string[],
  { queue, lease, stalledInterval, shutdownTimeout }: WorkerArguments,
  { redis, namespace }: GlobalOptions,
): Promise<void> {
  const { flows, tasks, policies } = await loadModules(modules)
  // A worker would go on trying, and log each failure: the user is told once.
  await withProducer({ redis, namespace }, async () => {})
  const logger = pino({ name: 'reprise' })
  const wait = waitForSignal()
  const worker = new Worker({
    redis,
    namespace,
    flows,
    tasks,
    policies,
    logger,
    closeOn: [],
    queues: queue,
    leaseDuration: lease,
    stalledInterval,
    shutdownTimeout,
  })
  await worker.ready()
  logger.info(
    {
      redis: describeRedis(redis),
      namespace,
      queues: queue ?? { default: { concurrency: 50 } },
      flows: flows.map((flow) => flow.name),
      tasks: tasks.map((task) => task.definition.name),
      policies: policies.map((policy) => policy.policyName),
    },
    'worker is ready',
  )
  logger.info({ signal: await wait.signal }, 'closing on signal')
  await worker.close()
  wait.release()
}

function addQueue(text: string, queues: Queues = {}): Queues {
  const [, name = '', concurrency = ''] = /^([^=]+)=(\d+)$/.exec(text) ?? []
  if (name === '') {
    throw new InvalidArgumentError('expected name=concurrency, such as default=50')
  }
  return { ...queues, [name]: { concurrency: Number(concurrency) } }
}
