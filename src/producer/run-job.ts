import type { JobsOptions } from 'bullmq'
import { z } from 'zod'
import { toMs } from '../core/duration.ts'
import { RepriseError } from '../core/errors.ts'
import { toJsonText } from '../core/json.ts'
import type { ParentNode } from '../core/lineage.ts'
import { checkNodeKeys, type EnqueueOptions } from '../flow/enqueue-options.ts'
import { SINGLE_TASK_PREFIX } from '../flow/single.ts'
import { type Target, targetFacts } from '../flow/target.ts'
import { readRunRetry } from '../strategies/run-retry.ts'
import { sentPolicies } from './enqueue-policies.ts'
import { ENVELOPE_VERSION, type RunOptions, readRunOptions } from './envelope.ts'
import { DEFAULT_QUEUE, JOB_OPTIONS } from './job-options.ts'

/** The job that a run begins as: what `Queues.add` takes. */
export interface RunJob {
  readonly queue: string
  /** The flow's or task's name. */
  readonly name: string
  /** The run's flow: the name; `task:<name>` for a task on its own. */
  readonly flow: string
  readonly data: object
  readonly options: JobsOptions
}

/**
 * Makes the job of a new run, after checking everything that can be checked here.
 *
 * @param parent the node whose handler starts the run; null for none
 * @throws RepriseError `invalid_input` (which field, expected, got), `options`
 * @throws SerializationError when JSON can't carry the input
 * @throws DefinitionError when a policy can't be sent
 */
export async function makeRunJob(
  runId: string,
  target: Target,
  input: unknown,
  options: EnqueueOptions,
  parent: ParentNode | null,
): Promise<RunJob> {
  const { kind, name, schema, defaultQueue, defaultPriority, nodeKeys } = targetFacts(target)
  if (nodeKeys) checkNodeKeys(options, nodeKeys)
  if (schema) await checkInput(schema, input, `${kind} ${name}`)
  if (input === undefined) {
    throw new RepriseError('invalid_input', `${kind} ${name}: expected an input, got undefined`)
  }
  toJsonText(input, 'input')
  const delay = options.delay === undefined ? 0 : toMs(options.delay, 'delay')
  const priority = options.priority ?? defaultPriority ?? 0
  return {
    queue: options.queue ?? defaultQueue ?? DEFAULT_QUEUE,
    name,
    flow: kind === 'task' ? SINGLE_TASK_PREFIX + name : name,
    data: { v: ENVELOPE_VERSION, kind, [kind]: name, input, ...sentOptions(options, parent) },
    options: {
      ...JOB_OPTIONS,
      jobId: runId,
      ...(delay > 0 ? { delay } : {}),
      ...(priority > 0 ? { priority } : {}),
    },
  }
}

/** The part of the options that travels with the run, as data. */
function sentOptions(options: EnqueueOptions, parent: ParentNode | null): { options?: RunOptions } {
  const { retries, tags, runRetry } = options
  const sent = {
    ...(tags && { tags: [...tags] }),
    ...sentPolicies(options),
    ...(retries && { retries }),
    ...(runRetry !== undefined && { runRetry: readRunRetry(runRetry) }),
    ...(parent && { parent }),
  }
  if (Object.keys(sent).length === 0) return {}
  const read = readRunOptions(sent)
  if ('problem' in read) throw new RepriseError('options', `enqueue options: ${read.problem}`)
  return { options: read.options }
}

async function checkInput(schema: z.ZodType, input: unknown, what: string): Promise<void> {
  const parsed = await schema.safeParseAsync(input)
  if (parsed.success) return
  throw new RepriseError(
    'invalid_input',
    `${what}: the input is not valid:\n${z.prettifyError(parsed.error)}`,
  )
}
