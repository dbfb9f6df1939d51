import { z } from 'zod'
import type { Failure } from '../../src/core/failure.ts'
import { and, is, not, or } from '../../src/flow/conditions.ts'
import { type AnyFlow, type Flow, flow } from '../../src/flow/flow.ts'
import type { FlowDefinition } from '../../src/flow/flow-definition.ts'
import { firstOf, orElse, settled } from '../../src/flow/joins.ts'
import type { IsAny } from '../../src/flow/jsonify.ts'
import type { Ref, Settled } from '../../src/flow/ref-types.ts'
import { task } from '../../src/flow/task.ts'
import { assertType, type Equal, type ValueOf } from './assert.ts'

const none = z.object({})
const ping = task({ name: 'ping', input: z.object({ url: z.string() }) }, () => ({ text: 'x' }))
const cached = task({ name: 'cached', input: z.object({ why: z.string() }) }, () => ({ old: true }))

// Outputs.
const whole = flow({ name: 'whole', input: none }, () => ping({ url: 'x' }))
assertType<Equal<typeof whole, Flow<Record<string, never>, { text: string }>>>()
const shaped = flow({ name: 'shaped', input: z.object({ n: z.number() }) }, (input) => ({
  n: input.n,
  list: [ping({ url: 'x' }).text],
  constant: 1,
}))
assertType<
  Equal<ValueOf<ReturnType<typeof shaped>>, { n: number; list: string[]; constant: number }>
>()
const silent = flow({ name: 'silent', input: none }, () => {
  ping({ url: 'x' })
})
assertType<Equal<ReturnType<typeof silent>, Ref<null>>>()
export const recursive = flow({ name: 'recursive', input: z.json() }, (input) => ({ input }))

// @ts-expect-error a build function is synchronous
flow({ name: 'async', input: none }, async () => ping({ url: 'x' }))
// @ts-expect-error a promise in disguise
flow({ name: 'promise', input: none }, () => Promise.resolve(1))
// @ts-expect-error an option that doesn't exist
flow({ name: 'a', input: none, retries: 1 }, () => ping({ url: 'x' }))

// The input is what the schema gives, as JSON.
export const inputs = flow(
  {
    name: 'inputs',
    input: z.object({ at: z.coerce.date(), loose: z.any(), m: z.number().default(1) }),
  },
  (input) => {
    assertType<Equal<typeof input.at, Ref<string>>>()
    assertType<Equal<typeof input.loose, Ref<unknown>>>()
    assertType<Equal<typeof input.m, Ref<number>>>()
    return ping({ url: input.at })
  },
)

// A flow in a flow.
export const outer = flow({ name: 'outer', input: z.object({ n: z.number() }) }, (input) => {
  const inner = shaped({ n: input.n })
  assertType<Equal<typeof inner.n, Ref<number>>>()
  // @ts-expect-error a wrong input
  shaped({ n: 'x' })
  // @ts-expect-error a prefix is all that a call of a flow can choose
  shaped.with({ retry: 5 })
  return shaped.with({ key: 'eu' })(input).n
})

// Plan B.
export const planB = flow({ name: 'plan-b', input: none }, () => {
  const result = orElse(ping({ url: 'x' }), (failure) => {
    assertType<Equal<typeof failure, Ref<Failure>>>()
    assertType<Equal<IsAny<typeof failure>, false>>()
    assertType<Equal<typeof failure.error.message, Ref<string>>>()
    assertType<Equal<typeof failure.kind, Ref<Failure['kind']>>>()
    const cause: Ref<string | undefined> = failure.error.cause.message
    // @ts-expect-error perhaps there is no cause
    cached({ why: cause })
    return cached({ why: failure.error.message })
  })
  assertType<Equal<typeof result, Ref<{ text: string } | { old: boolean }>>>()
  // @ts-expect-error plan B is no promise
  orElse(ping({ url: 'x' }), async () => cached({ why: 'x' }))
  // @ts-expect-error plan B is a Ref
  orElse(ping({ url: 'x' }), () => 'constant')
  return orElse(ping({ url: 'x' }), (failure) => failure.error.name)
})
assertType<Equal<ValueOf<ReturnType<typeof planB>>, string | { text: string }>>()

// Outcomes.
export const outcomes = flow({ name: 'outcomes', input: none }, () => {
  const outcome = settled(ping({ url: 'x' }))
  assertType<Equal<typeof outcome, Ref<Settled<{ text: string }>>>>()
  assertType<Equal<typeof outcome.value.text, Ref<string | undefined>>>()
  assertType<Equal<typeof outcome.error, Ref<Failure | null | undefined>>>()
  return outcome.status
})
export function narrows(outcome: Settled<{ text: string }>): string {
  if (outcome.status === 'succeeded') return outcome.value.text
  // @ts-expect-error a failure has no value
  outcome.value
  assertType<Equal<typeof outcome.error, Failure | null>>()
  return outcome.error?.error.message ?? outcome.status
}

// Branches.
export const branches = flow(
  {
    name: 'branches',
    input: z.object({ kind: z.enum(['a', 'b']), n: z.number(), loose: z.any() }),
    succeedsWhen: ['cached'],
  },
  (input) => {
    const isA = is(input.kind, 'a')
    assertType<Equal<typeof isA, Ref<boolean>>>()
    is(input.n, 1)
    is(input.loose, null)
    // @ts-expect-error never equal
    is(input.kind, 'c')
    // @ts-expect-error never equal
    is(input.n, '1')
    // @ts-expect-error no scalar
    is(ping({ url: 'x' }), 'x')
    // @ts-expect-error no condition
    and(isA, input.kind)
    // @ts-expect-error no condition
    not(input.n)
    const first = firstOf(
      ping.with({ if: isA })({ url: 'x' }),
      cached.with({ if: not(or(isA, isA)) })({ why: 'x' }),
    )
    assertType<Equal<typeof first, Ref<{ text: string } | { old: boolean }>>>()
    // @ts-expect-error one is no choice
    firstOf(ping({ url: 'x' }))
    return first
  },
)

// Lists of flows, and functions that take one.
export const flows: readonly AnyFlow[] = [whole, shaped, silent, outer, planB, recursive]
export const definitions: readonly FlowDefinition[] = [whole, shaped]
declare function enqueue<I, O>(target: Flow<I, O>, input: I): Promise<O>
export async function enqueues() {
  const output = await enqueue(shaped, { n: 1 })
  assertType<Equal<typeof output, { n: number; list: string[]; constant: number }>>()
  // @ts-expect-error a wrong input
  await enqueue(shaped, { n: 'x' })
}
