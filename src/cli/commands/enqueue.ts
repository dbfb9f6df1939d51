import { Command } from 'commander'
import { RepriseError } from '../../core/errors.ts'
import type { EnqueueOptions } from '../../flow/enqueue-options.ts'
import type { Target } from '../../flow/target.ts'
import type { Producer } from '../../producer/producer.ts'
import type { RunHandle } from '../../producer/run-handle.ts'
import type { RetryOption } from '../../strategies/shorthand.ts'
import { parseCount, parseDuration, parseJsonArgument } from '../argument-parsers.ts'
import { readGlobalOptions } from '../global-options.ts'
import { type Definitions, loadModules } from '../load-modules.ts'
import { parseJson } from '../parse-json.ts'
import { openingHint } from '../view/opening-hint.ts'
import { withProducer } from '../with-producer.ts'

interface EnqueueArguments {
  readonly task?: true
  readonly module?: string
  readonly delay?: number
  readonly priority?: number
  readonly queue?: string
  readonly retry?: unknown
  readonly wait?: true
}

const HINT_AFTER_MS = 3_000

/** `reprise enqueue <flow> <json>`: enqueues a run by the flow's name. */
export function enqueueCommand(): Command {
  return new Command('enqueue')
    .description('enqueue a run, and print its id or, with --wait, its result as JSON')
    .argument('<flow>', "the flow's name")
    .argument('<json>', 'its input')
    .option('--task', 'the name is the name of a task')
    .option(
      '--module <file>',
      'check name and input here first, by the module that exports the flow',
    )
    .option('--delay <duration>', 'how long to wait before it starts', parseDuration)
    .option('--priority <n>', '0 first', parseCount(0, 2_097_152))
    .option('--queue <name>', 'the queue')
    .option('--retry <json>', 'a number of retries or a policy', parseJsonArgument('--retry'))
    .option('--wait', 'wait for the end; exit code 1 if the run failed')
    .action(async (name: string, json: string, options: EnqueueArguments, command: Command) => {
      const input = parseJson(json, 'input')
      const definitions = options.module === undefined ? null : await loadModules([options.module])
      const target = findTarget(name, options, definitions)
      await withProducer(readGlobalOptions(command), async (producer) => {
        const run = await enqueue(producer, target, input, options)
        if (!options.wait) return console.log(run.id)
        console.error(`run ${run.id}`)
        console.log(JSON.stringify((await resultOf(run, options.queue)) ?? null, null, 2))
      })
    })
}

function findTarget(
  name: string,
  { task, module }: EnqueueArguments,
  definitions: Definitions | null,
): Target {
  if (definitions === null) return task ? { task: name } : { flow: name }
  const known = new Map<string, Target>(
    task
      ? definitions.tasks.map((one) => [one.definition.name, one])
      : definitions.flows.map((one) => [one.name, one]),
  )
  const found = known.get(name)
  if (found !== undefined) return found
  const kind = task ? 'task' : 'flow'
  const names = [...known.keys()].join(', ') || 'none'
  throw new RepriseError(
    'unknown_flow',
    `the module ${module} exports no ${kind} ${name}; it exports the ${kind}s: ${names}`,
  )
}

function enqueue(
  producer: Producer,
  target: Target,
  input: unknown,
  { delay, priority, queue, retry }: EnqueueArguments,
): Promise<RunHandle> {
  const options: EnqueueOptions = {
    delay,
    priority,
    queue,
    // Trust border: the producer checks it, as it checks the input.
    retry: retry as RetryOption | undefined,
  }
  return 'kind' in target
    ? producer.enqueue(target, input as never, options)
    : producer.enqueue(target, input, options)
}

/** Waits for the result, and says after a while why nothing happens. */
async function resultOf(run: RunHandle, queue: string | undefined): Promise<unknown> {
  const timer = setTimeout(() => {
    openingHint(run, queue)
      .then((hint) => hint && console.error(hint))
      .catch(() => {
        // The result tells what is wrong.
      })
  }, HINT_AFTER_MS)
  try {
    return await run.result()
  } finally {
    clearTimeout(timer)
  }
}
