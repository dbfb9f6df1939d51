import { randomBytes } from 'node:crypto'
import { describe, inject } from 'vitest'

/** A namespace that no other test uses, so that tests share one Redis and run at the same time. */
export function testNamespace(): string {
  return `t-${randomBytes(6).toString('hex')}`
}

/** The Redis of this test run. */
export function redisUrl(): string {
  return inject('redisUrl')
}

/** What a group of tests needs of its Redis. */
export interface RedisNeeds {
  /** A real server, because the imitation lacks something or is too slow. */
  readonly needs?: 'real'
}

/**
 * `describe` for tests that use Redis. What the embedded imitation can't carry is skipped on it, and the name of the
 * skipped group says why.
 */
export function describeWithRedis(
  name: string,
  tests: () => void,
  { needs }: RedisNeeds = {},
): void {
  if (needs === 'real' && inject('redisKind') === 'embedded') {
    describe.skip(
      `${name} (skipped: needs a real Redis, and only the embedded imitation was found)`,
      tests,
    )
  } else {
    describe(name, tests)
  }
}
