import { z } from 'zod'
import { DefinitionError } from '../core/errors.ts'
import { storeError } from '../core/failure.ts'
import { choosePart } from './choose-part.ts'
import { type RetryDelay, retryDelay } from './delay.ts'
import { drawFor } from './draw.ts'
import { checked, countSchema, parseOptions } from './option-schemas.ts'
import type { Policy } from './policy-types.ts'

/** Whose schedule a preview shows. */
export interface PreviewOptions {
  /** A run's id (its root's, if it is a rerun): with `node` the preview is exact. */
  readonly run?: string | undefined
  /** The key of a node in that run. */
  readonly node?: string | undefined
  /**
   * How many runs the spread is taken over, when no run is given.
   * @default 1000
   */
  readonly samples?: number | undefined
  /**
   * The error that every attempt fails with: it chooses the rule of `policy.rules`.
   * @default an error that only a rule for `Error`, or for every error, matches
   */
  readonly error?: unknown
}

/** One retry of a preview. All in ms. For a given run and node `min`, `median` and `max` are the same: the delay. */
export interface PreviewedRetry {
  readonly retryNumber: number
  /** The delay before jitter; of `decorrelated` the median upper end of its range. */
  readonly baseMs: number
  readonly minMs: number
  readonly medianMs: number
  readonly maxMs: number
  /** The medians up to this one, added. */
  readonly totalMs: number
}

const MOST_RETRIES = 10_000

const retriesSchema = checked<number>(
  `a whole number from 1 to ${MOST_RETRIES}`,
  (value) => Number.isSafeInteger(value) && Number(value) >= 1 && Number(value) <= MOST_RETRIES,
)

const optionsSchema = z
  .strictObject({
    run: z.string().min(1).optional(),
    node: z.string().min(1).optional(),
    samples: countSchema.pipe(z.number().min(1).max(100_000)).default(1_000),
    error: z.unknown().optional(),
  })
  .refine(({ run, node }) => (run === undefined) === (node === undefined), {
    error: 'expected run and node together, or neither',
  })

/**
 * The delays that a policy gives when every attempt fails with the same error.
 *
 * @throws DefinitionError for bad options, and for a plug-in
 */
export function previewPolicy(
  policy: Policy,
  retries: number,
  options: PreviewOptions = {},
): PreviewedRetry[] {
  const count = parseOptions(retriesSchema, retries, 'preview(): retries')
  const { run, node, samples, error } = parseOptions(optionsSchema, options, 'preview()')
  const schedules =
    run !== undefined && node !== undefined
      ? [scheduleOf(policy, count, error, (n) => drawFor(run, node, n))]
      : Array.from({ length: samples }, (_, i) =>
          scheduleOf(policy, count, error, (n) => drawFor('preview', String(i), n)),
        )
  let totalMs = 0
  return (schedules[0] ?? []).map((_, i) => {
    const delays = ascending(schedules.flatMap((schedule) => schedule[i]?.delayMs ?? []))
    const bases = ascending(schedules.flatMap((schedule) => schedule[i]?.baseMs ?? []))
    const medianMs = middleOf(delays)
    totalMs += medianMs
    return {
      retryNumber: i + 1,
      baseMs: middleOf(bases),
      minMs: delays[0] ?? 0,
      medianMs,
      maxMs: delays.at(-1) ?? 0,
      totalMs,
    }
  })
}

/**
 * One schedule: as many delays as the policy allows, at most `count`.
 *
 * @throws DefinitionError for a plug-in
 */
export function scheduleOf(
  policy: Policy,
  count: number,
  thrown: unknown,
  drawOf: (n: number) => number,
): RetryDelay[] {
  const error = storeError(thrown ?? new Error('previewed'))
  const delays: RetryDelay[] = []
  let previousMs = 0
  for (let used = 0; used < count; used++) {
    const { policy: part, before } = choosePart(policy, error, thrown, used)
    if (part?.type === 'named') {
      throw new DefinitionError(
        `preview(): ${part.name} is a plug-in: what it decides is known only when it is asked`,
      )
    }
    if (part === null || part.type === 'none') break
    const { maxRetries } = part.spec
    if (maxRetries !== null && used - before >= maxRetries) break
    const delay = retryDelay(part.spec, used - before + 1, () => drawOf(used + 1), previousMs)
    previousMs = delay.delayMs
    delays.push(delay)
  }
  return delays
}

function ascending(values: number[]): number[] {
  return values.sort((one, other) => one - other)
}

function middleOf(sorted: readonly number[]): number {
  return sorted[Math.floor(sorted.length / 2)] ?? 0
}
