/** The names of the jitters: how a delay is spread, so that a herd that failed together doesn't return together. */
export const JITTER_NAMES = ['none', 'full', 'equal'] as const

/**
 * How a delay b is spread. `none`: b. `full`: uniform in [0, b). `equal`: uniform in [b/2, b).
 *
 * Source of `full` and `equal`: Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
 */
export type JitterName = (typeof JITTER_NAMES)[number]

/** One way to spread a delay. */
export interface Jitter {
  /** The largest multiple of the base that it can give. The base is capped so that this is still `maxDelay`. */
  readonly largest: number
  /** Whether `spread` looks at its random number. */
  readonly isRandom: boolean
  /** The spread delay in ms: a double. `random` is in [0, 1). */
  readonly spread: (baseMs: number, random: number) => number
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

/** Every jitter by its name. */
export const JITTERS: { readonly [name in JitterName]: Jitter } = {
  none: { largest: 1, isRandom: false, spread: noJitter },
  full: { largest: 1, isRandom: true, spread: fullJitter },
  equal: { largest: 1, isRandom: true, spread: equalJitter },
}
