import { z } from 'zod'
import type { Duration } from '../core/duration.ts'
import { checked, countSchema, durationSchema, quote } from './option-schemas.ts'

/**
 * A retry budget: how many retries the whole fleet may make under one key. A token bucket: the first attempt of a node
 * adds `ratio` tokens, a second adds `minPerSecond`, each further attempt takes one. In t seconds with F first attempts
 * at most `burst + ratio · F + minPerSecond · t` retries start. A retry without a token waits its turn.
 */
export interface BudgetOptions {
  /** What shares the budget, such as the name of a service: 1 to 200 characters. */
  readonly key: string
  /**
   * Retries per first attempt, 0 to 10.
   * @default 0.2
   */
  readonly ratio?: number | undefined
  /**
   * Retries per second, whatever the first attempts: from 0.001.
   * @default 10
   */
  readonly minPerSecond?: number | undefined
  /**
   * Tokens that can be saved up, from 1.
   * @default what `minPerSecond` gives in 10 s, at least 1
   */
  readonly burst?: number | undefined
}

interface BreakerBasics {
  /** What shares the breaker, such as the name of a service: 1 to 200 characters. */
  readonly key: string
  /**
   * How long it stays open before probes are let through: 1 ms to 1 day.
   * @default '30s'
   */
  readonly openFor?: Duration | undefined
  /**
   * How many attempts are let through then. They all have to succeed to close it; one failure opens it again.
   * @default 1
   */
  readonly probes?: number | undefined
  /**
   * How many of the nodes that waited are let through in a second once it has closed, from 0.001.
   * @default 50
   */
  readonly releasePerSecond?: number | undefined
}

/**
 * A circuit breaker by key, for the whole fleet. While it is open no handler that shares it is called: nodes wait, and
 * spend no attempt.
 */
export type BreakerOptions = BreakerBasics &
  (
    | {
        /**
         * So many failures, one after the other, open it.
         * @default 5
         */
        readonly failures?: number | undefined
        readonly failureRatio?: undefined
        readonly window?: undefined
        readonly minAttempts?: undefined
      }
    | {
        readonly failures?: undefined
        /** It opens when this share of the attempts in the window failed: above 0, at most 1. */
        readonly failureRatio: number
        /**
         * The length of the sliding window: 100 ms to 1 h.
         * @default '10s'
         */
        readonly window?: Duration | undefined
        /**
         * So many attempts must have ended in the window.
         * @default 20
         */
        readonly minAttempts?: number | undefined
      }
  )

const LEAST_RATE = 0.001
const BURST_SECONDS = 10

const keySchema = checked<string>(
  'a key of 1 to 200 characters',
  (value) => typeof value === 'string' && value.length >= 1 && value.length <= 200,
)

const rateSchema = checked<number>(
  `a number per second from ${LEAST_RATE}; without any, what waits could wait for ever`,
  (value) => Number.isFinite(value) && Number(value) >= LEAST_RATE,
)

const atLeastOne = countSchema.refine((count) => count >= 1, {
  error: (issue) => `expected a whole number from 1, got ${quote(issue.input)}`,
})

function between(minMs: number, maxMs: number, text: string) {
  return durationSchema.refine((ms) => ms >= minMs && ms <= maxMs, {
    error: (issue) => `expected ${text}, got ${quote(issue.input)} ms`,
  })
}

/** A budget, with every default filled in. */
export const budgetSchema = z
  .strictObject({
    key: keySchema,
    ratio: checked<number>(
      'a number from 0 to 10',
      (value) => Number.isFinite(value) && Number(value) >= 0 && Number(value) <= 10,
    ).default(0.2),
    minPerSecond: rateSchema.default(10),
    burst: checked<number>(
      'a number from 1',
      (value) => Number.isFinite(value) && Number(value) >= 1,
    ).optional(),
  })
  .transform((options) => ({
    ...options,
    burst: options.burst ?? Math.max(1, BURST_SECONDS * options.minPerSecond),
  }))

const sampledOptions = {
  failureRatio: checked<number>(
    'a number above 0, at most 1',
    (value) => Number.isFinite(value) && Number(value) > 0 && Number(value) <= 1,
  ),
  window: between(100, 3_600_000, '100 ms to 1 h').default(10_000),
  minAttempts: atLeastOne.default(20),
}

const basics = {
  key: keySchema,
  openFor: between(1, 86_400_000, '1 ms to 1 day').default(30_000),
  probes: atLeastOne.default(1),
  releasePerSecond: rateSchema.default(50),
}

const consecutiveSchema = z.strictObject({ ...basics, failures: atLeastOne.default(5) })
const sampledSchema = z.strictObject({ ...basics, ...sampledOptions })

/** A breaker, with every default filled in, and durations in ms. */
export const breakerSchema = z.unknown().transform((value, context) => {
  const given = typeof value === 'object' && value !== null ? value : {}
  const isSampled = 'failureRatio' in given && given.failureRatio !== undefined
  const parsed = (isSampled ? sampledSchema : consecutiveSchema).safeParse(value)
  if (parsed.success) return parsed.data
  for (const { path, message } of parsed.error.issues) {
    context.addIssue({ code: 'custom', path, message, input: value })
  }
  return z.NEVER
})
