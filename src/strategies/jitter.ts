import { z } from 'zod'
import { clampedPoissonJitter, clampedPoissonLargest } from './clamped-poisson.ts'
import { checked, quote } from './option-schemas.ts'

/** The jitters without a number of their own. */
export const JITTER_NAMES = ['none', 'full', 'equal', 'plusMinus'] as const

/** The name of a jitter without a number of its own. */
export type JitterName = (typeof JITTER_NAMES)[number]

/**
 * How a delay b is spread, so that a herd that failed together doesn't return together. d is the configured delay.
 *
 * | jitter | delay |
 * |---|---|
 * | `'none'` | b |
 * | `'full'` | uniform in [0, b) |
 * | `'equal'` | uniform in [b/2, b) |
 * | `'plusMinus'` | uniform in [b - d, b + d), and 0 where that is negative |
 * | `{ proportional: x }` | uniform in [b·(1 - x), b·(1 + x)), x from 0 to 1 |
 * | `{ clampedPoisson: x }` | an interval of a Poisson process, at most b·(1 + x), on average about b |
 *
 * Sources: `full` and `equal` from Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015;
 * `plusMinus` is Dagster's PLUS_MINUS; `clampedPoisson` is Prefect's `retry_jitter_factor`.
 */
// Types and not interfaces, so that a spec is assignable to Json.
export type JitterOption =
  | JitterName
  | { readonly proportional: number }
  | { readonly clampedPoisson: number }

const factor = (most: number) =>
  checked<number>(
    `a number from 0 to ${most}`,
    (value) => typeof value === 'number' && value >= 0 && value <= most,
  )

export const jitterSchema = z.union(
  [
    z.enum(JITTER_NAMES),
    z.strictObject({ proportional: factor(1) }),
    z.strictObject({ clampedPoisson: factor(1e6) }),
  ],
  {
    error: (issue) =>
      `expected one of ${JITTER_NAMES.map((name) => `'${name}'`).join(', ')}, { proportional: 0 to 1 }, { clampedPoisson: from 0 }, got ${jitterText(issue.input)}`,
  },
)

function jitterText(value: unknown): string {
  const isPlain = typeof value === 'object' && value !== null && !Array.isArray(value)
  return isPlain
    ? `{ ${Object.entries(value).map(([key, x]) => `${key}: ${quote(x)}`)} }`
    : quote(value)
}

/** One way to spread a delay. */
export interface Jitter {
  /** Whether `spread` looks at its random number. */
  readonly isRandom: boolean
  /** The largest base whose spread never exceeds `maxDelay`. `delay`: what `plusMinus` spreads by. All in ms. */
  readonly largestBase: (maxDelay: number, delay: number) => number
  /** The spread delay in ms: a double. `random` is in [0, 1). */
  readonly spread: (baseMs: number, random: number, delay: number) => number
}

/** b */
export function noJitter(baseMs: number): number {
  return baseMs
}

/** U(0, b) */
export function fullJitter(baseMs: number, random: number): number {
  return baseMs * random
}

/** b/2 + U(0, b/2) */
export function equalJitter(baseMs: number, random: number): number {
  return baseMs / 2 + (baseMs / 2) * random
}

/** b + U(-d, d), at least 0 */
export function plusMinusJitter(baseMs: number, random: number, delay: number): number {
  return Math.max(0, baseMs + 2 * random * delay - delay)
}

/** b·U(1-x, 1+x) */
export function proportionalJitter(baseMs: number, random: number, x: number): number {
  return baseMs * (1 - x + 2 * x * random)
}

const sameBase = (maxDelay: number) => maxDelay

const NAMED: { readonly [name in JitterName]: Jitter } = {
  none: { isRandom: false, largestBase: sameBase, spread: noJitter },
  full: { isRandom: true, largestBase: sameBase, spread: fullJitter },
  equal: { isRandom: true, largestBase: sameBase, spread: equalJitter },
  plusMinus: {
    isRandom: true,
    largestBase: (maxDelay, delay) => maxDelay - delay,
    spread: plusMinusJitter,
  },
}

/** The jitter that an option stands for. */
export function jitterOf(option: JitterOption): Jitter {
  if (typeof option === 'string') return NAMED[option]
  if ('proportional' in option) {
    const { proportional: x } = option
    return {
      isRandom: true,
      largestBase: (maxDelay) => maxDelay / (1 + x),
      spread: (baseMs, random) => proportionalJitter(baseMs, random, x),
    }
  }
  const { clampedPoisson: x } = option
  return {
    isRandom: true,
    largestBase: (maxDelay) => maxDelay / clampedPoissonLargest(x),
    spread: (baseMs, random) => clampedPoissonJitter(baseMs, random, x),
  }
}

/** The largest delay that a jitter makes of a written delay, in ms: what the default cap leaves room for. */
export function largestSpread(option: JitterOption, delay: number): number {
  if (option === 'plusMinus') return 2 * delay
  if (typeof option === 'string') return delay
  return 'proportional' in option
    ? delay * (1 + option.proportional)
    : delay * clampedPoissonLargest(option.clampedPoisson)
}
