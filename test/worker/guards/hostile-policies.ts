import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { definePolicy, type PolicyFailure, type PolicyPlugin } from '../../../src/index.ts'

/** A policy that misbehaves, and what has to come of its node: the reason to stop, after so many retries. */
export interface HostilePolicy {
  readonly name: string
  readonly plugin: PolicyPlugin
  readonly reason: 'policy_error' | 'predicate_false'
  readonly retries: number
}

type Decide = (failure: PolicyFailure) => unknown

function hostile(
  name: string,
  decide: Decide,
  reason: HostilePolicy['reason'] = 'policy_error',
  retries = 0,
): HostilePolicy {
  // @ts-expect-error what JavaScript users may write
  return { name, plugin: definePolicy({ name, options: z.object({}), decide }), reason, retries }
}

const once =
  (decision: unknown): Decide =>
  ({ retryNumber }) =>
    retryNumber === 0 ? decision : null

const fail = (): never => {
  throw new Error('the policy is broken')
}

const throwing = (thrown: unknown): never => {
  throw thrown
}

export const HOSTILE_POLICIES: readonly HostilePolicy[] = [
  hostile('gives-0', () => 0),
  hostile('gives-minus-half', () => -0.5),
  hostile('gives-minus-2', () => -2),
  hostile('gives-nan', () => Number.NaN),
  hostile('gives-infinity', () => Number.POSITIVE_INFINITY),
  hostile('gives-1e15', () => 1e15),
  hostile('gives-text', () => '5'),
  hostile('gives-null', () => null, 'predicate_false'),
  hostile('gives-undefined', () => undefined),
  hostile('gives-empty-object', once({}), 'predicate_false', 1),
  hostile('gives-list', () => []),
  hostile('waits-0', once({ retryIn: 0 }), 'predicate_false', 1),
  hostile('waits-minus-half', () => ({ retryIn: -0.5 })),
  hostile('waits-minus-2', () => ({ retryIn: -2 })),
  hostile('waits-nan', () => ({ retryIn: Number.NaN })),
  hostile('waits-infinity', () => ({ retryIn: Number.POSITIVE_INFINITY })),
  hostile('waits-1e15', () => ({ retryIn: 1e15 })),
  hostile('waits-text', once({ retryIn: '5' }), 'predicate_false', 1),
  hostile('waits-null', () => ({ retryIn: null })),
  hostile('waits-object', () => ({ retryIn: {} })),
  hostile('waits-list', () => ({ retryIn: [] })),
  hostile('throws', fail),
  hostile('throws-nothing', () => throwing(null)),
  hostile('rejects', async () => fail()),
  hostile('rejects-late', async () => {
    await sleep(50)
    fail()
  }),
  hostile('never-settles', () => new Promise(() => {})),
  hostile('mutates', (failure) => Object.assign(failure.error, { message: 'all is well' })),
  hostile('has-getters', () =>
    Object.defineProperty({}, 'retryIn', { enumerable: true, get: fail }),
  ),
  hostile('unknown-queue', () => ({ queue: 'nowhere' })),
  hostile('bad-queue', () => ({ queue: 'a:b' })),
  hostile('locks', once({ lock: 'a' }), 'predicate_false', 1),
  hostile('bad-lock', () => ({ lock: '' })),
  hostile('lock-object', () => ({ lock: {} })),
]
