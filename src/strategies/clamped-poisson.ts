/** Prefect cuts the tail here: ln needs more than 0. */
const LEAST_PROBABILITY = 1e-10

/** The largest multiple of the base that {@link clampedPoissonJitter} can give. */
export function clampedPoissonLargest(x: number): number {
  return Math.min(1 + x, -Math.log(LEAST_PROBABILITY))
}

/**
 * An interval of a Poisson process with mean b, clamped to [c·b, k·b] so that its mean stays near b for small x:
 * with k = 1 + x, c = log2(2^k / (2^k - 1)) (0 from k = 50), L = 1 - e^-c and U = 1 - e^-k it is
 * -ln(1 - (L + (U - L)·r))·b. A factor x of 0 means no jitter.
 *
 * Source of the formula: Prefect's `clamped_poisson_interval`.
 *
 * @param random in [0, 1)
 */
export function clampedPoissonJitter(baseMs: number, random: number, x: number): number {
  if (x === 0 || baseMs === 0) return baseMs
  const k = 1 + x
  const c = k >= 50 ? 0 : Math.log2(2 ** k / (2 ** k - 1))
  const lower = 1 - Math.exp(-c)
  const upper = 1 - Math.exp(-k)
  const probability = 1 - (lower + (upper - lower) * random)
  return -Math.log(Math.max(probability, LEAST_PROBABILITY)) * baseMs
}
