import { z } from 'zod'
import type { Duration } from '../core/duration.ts'
import { type ConstantBackoff, constantDelay, constantShape } from './constant-backoff.ts'
import {
  type ExponentialBackoff,
  exponentialDelay,
  exponentialShape,
} from './exponential-backoff.ts'
import { type FibonacciBackoff, fibonacciDelay, fibonacciShape } from './fibonacci-backoff.ts'
import { type LinearBackoff, linearDelay, linearShape } from './linear-backoff.ts'
import { quote } from './option-schemas.ts'
import { type PolynomialBackoff, polynomialDelay, polynomialShape } from './polynomial-backoff.ts'
import { type ScheduleBackoff, scheduleDelay, scheduleShape } from './schedule-backoff.ts'

/** A backoff that follows from n alone: what a sum can be made of. */
export type PlainBackoff =
  | ConstantBackoff
  | LinearBackoff
  | ExponentialBackoff
  | PolynomialBackoff
  | FibonacciBackoff
  | ScheduleBackoff

/** Several backoffs, added up. */
export type SumBackoff = {
  readonly kind: 'sum'
  /** At least one. */
  readonly parts: readonly PlainBackoff[]
}

const partSchema = z.discriminatedUnion(
  'kind',
  [
    z.strictObject({ kind: z.literal('constant'), ...constantShape }),
    z.strictObject({ kind: z.literal('linear'), ...linearShape }),
    z.strictObject({ kind: z.literal('exponential'), ...exponentialShape }),
    z.strictObject({ kind: z.literal('polynomial'), ...polynomialShape }),
    z.strictObject({ kind: z.literal('fibonacci'), ...fibonacciShape }),
    z.strictObject({ kind: z.literal('schedule'), ...scheduleShape }),
  ],
  {
    error: (issue) =>
      `expected a backoff such as { kind: 'linear', delay: '5s' }, without limits and jitter, got ${quote(issue.input)}`,
  },
)

export const sumShape = {
  parts: z
    .array(partSchema, {
      error: (issue) => `expected a list of backoffs, got ${quote(issue.input)}`,
    })
    .min(1, 'expected at least one part, got an empty list')
    .max(20, 'expected at most 20 parts'),
}

/** A part of a sum as it is written: durations as ms or strings, defaults left out. */
export type SumPart =
  | Exclude<z.input<typeof partSchema>, { kind: 'schedule' }>
  | { readonly kind: 'schedule'; readonly delays: readonly Duration[] }

/** The delays of all parts, added. Procrastinate's strategy is such a sum. */
export function sumDelay({ parts }: Pick<SumBackoff, 'parts'>, n: number): number {
  return parts.reduce((total, part) => total + plainDelay(part, n), 0)
}

/** The delay of a backoff that follows from n alone. */
export function plainDelay(backoff: PlainBackoff, n: number): number {
  switch (backoff.kind) {
    case 'constant':
      return constantDelay(backoff)
    case 'linear':
      return linearDelay(backoff, n)
    case 'exponential':
      return exponentialDelay(backoff, n)
    case 'polynomial':
      return polynomialDelay(backoff, n)
    case 'fibonacci':
      return fibonacciDelay(backoff, n)
    case 'schedule':
      return scheduleDelay(backoff, n)
  }
}
