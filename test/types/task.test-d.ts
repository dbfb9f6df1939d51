import { z } from 'zod'
import { is } from '../../src/flow/conditions.ts'
import type { TaskContext } from '../../src/flow/context.ts'
import { fail } from '../../src/flow/fail.ts'
import { flow } from '../../src/flow/flow.ts'
import type { IsAny } from '../../src/flow/jsonify.ts'
import type { Arg, Ref } from '../../src/flow/ref-types.ts'
import { at } from '../../src/flow/refs.ts'
import { type AnyTask, type Task, task } from '../../src/flow/task.ts'
import { atLeast, atMost } from '../../src/flow/trigger.ts'
import { type Any, assertType, type Equal, type ValueOf } from './assert.ts'

const fetchPage = task(
  { name: 'fetch-page', input: z.object({ url: z.string(), depth: z.number().optional() }) },
  async ({ url, depth }, context) => {
    assertType<Equal<typeof url, string>>()
    assertType<Equal<typeof depth, number | undefined>>()
    assertType<Equal<typeof context, TaskContext>>()
    assertType<Equal<IsAny<typeof context>, false>>()
    return { text: url, fetchedAt: new Date(), links: [url], size: url.length }
  },
)
type Page = { text: string; fetchedAt: string; links: string[]; size: number }
assertType<Equal<typeof fetchPage, Task<{ url: string; depth?: number | undefined }, Page>>>()

// The handler gets the parsed input, the caller gives the raw one.
export const parsing = task(
  {
    name: 'parsing',
    input: z.object({ n: z.string().transform(Number), m: z.number().default(1) }),
  },
  ({ n, m }) => {
    assertType<Equal<typeof n, number>>()
    assertType<Equal<typeof m, number>>()
    return n + m
  },
)
assertType<Equal<typeof parsing, Task<{ n: string; m?: number | undefined }, number>>>()

// A declared output.
export const declared = task(
  { name: 'declared', input: z.object({}), output: z.object({ at: z.date(), n: z.number() }) },
  () => ({ at: new Date(), n: 1 }),
)
assertType<Equal<ValueOf<ReturnType<typeof declared>>, { at: string; n: number }>>()
task(
  { name: 'wrong-output', input: z.object({}), output: z.object({ n: z.number() }) },
  // @ts-expect-error the handler's result is not what the output schema takes
  () => ({ n: 'one' }),
)
task(
  { name: 'wrong-output', input: z.object({}), output: z.object({ n: z.number() }) },
  // @ts-expect-error a field is missing
  async () => ({}),
)

// Results: any is unknown, nothing is null, JSON stays.
const parseAny = task({ name: 'parse', input: z.object({}) }, () => JSON.parse('{}'))
assertType<Equal<ReturnType<typeof parseAny>, Ref<unknown>>>()
const deepAny = task({ name: 'deep', input: z.object({}) }, async () => ({ data: JSON.parse('') }))
assertType<Equal<ValueOf<ReturnType<typeof deepAny>>, { data: unknown }>>()
const silent = task({ name: 'silent', input: z.object({}) }, async () => {})
assertType<Equal<ReturnType<typeof silent>, Ref<null>>>()
const json = task({ name: 'json', input: z.json() }, (input) => input)
assertType<Equal<ReturnType<typeof json>, Ref<z.output<ReturnType<typeof z.json>>>>>()

// Options.
// @ts-expect-error an option that doesn't exist
task({ name: 'a', input: z.object({}), retries: 5 }, () => 1)
// @ts-expect-error a duration that ms doesn't read
task({ name: 'a', input: z.object({}), timeout: '5 parsecs' }, () => 1)
// @ts-expect-error no schema
task({ name: 'a' }, () => 1)
task({ name: 'a', input: z.object({}), lock: 'x' }, () => 1)
task({ name: 'a', input: z.object({ id: z.string() }), lock: ({ id }) => `x-${id}` }, () => 1)
// @ts-expect-error the input has no such field
task({ name: 'a', input: z.object({ n: z.int() }), lock: ({ id }) => `x-${id}` }, () => 1)
// @ts-expect-error no text
task({ name: 'a', input: z.object({}), lock: () => 1 }, () => 1)
task({ name: 'a', input: z.object({}), retry: 5, timeout: '30s', queue: 'q', priority: 1 }, () => 1)

export const calls = flow({ name: 'calls', input: z.object({ url: z.string() }) }, (input) => {
  const page = fetchPage({ url: input.url })
  fetchPage(input)
  fetchPage({ url: page.text, depth: page.size })
  fetchPage({ url: at(page.links, 0) })
  fetchPage.with({ key: 'again', retry: false, timeout: 500, after: [page] })({ url: 'x' })
  json({ deep: [{ page }, 'constant', null] })
  json(json(page))
  // @ts-expect-error a wrong type
  fetchPage({ url: 1 })
  // @ts-expect-error a Ref to a wrong type
  fetchPage({ url: page.size })
  // @ts-expect-error a missing field
  fetchPage({ depth: 1 })
  // @ts-expect-error a field that the input doesn't have
  fetchPage({ url: 'x', color: 'red' })
  // @ts-expect-error a Ref to something else
  fetchPage(page.text)
  // @ts-expect-error unknown is no string
  fetchPage({ url: parseAny({}) })
  // @ts-expect-error a promise
  fetchPage({ url: Promise.resolve('x') })
  // @ts-expect-error an option that doesn't exist
  fetchPage.with({ locks: 'x' })
  fetchPage.with({ lock: 'x' })
  // @ts-expect-error the lock of a node is data
  fetchPage.with({ lock: () => 'x' })
  // @ts-expect-error a trigger that doesn't exist
  fetchPage.with({ trigger: 'never' })
  fetchPage.with({ trigger: atLeast(2, 'failed'), skipOnUpstreamSkip: true })
  // @ts-expect-error neither successes nor failures
  atMost(1, 'skipped')
  fetchPage.with({ if: is(page.size, 0) })
  // @ts-expect-error a condition is a Ref to a boolean
  fetchPage.with({ if: page.text })
  // @ts-expect-error what is known now needs no condition
  fetchPage.with({ if: true })
  return page
})

// Failures that are returned.
const mayFail = task({ name: 'may-fail', input: z.object({}) }, async () =>
  Math.random() < 0.5 ? fail('unlucky') : { ok: true },
)
assertType<Equal<ValueOf<ReturnType<typeof mayFail>>, { ok: boolean }>>()
const checked = task(
  { name: 'checked', input: z.object({}), failWhen: (output: { ok: boolean }) => !output.ok },
  () => ({ ok: true, more: 1 }),
)
assertType<Equal<ValueOf<ReturnType<typeof checked>>, { ok: boolean; more: number }>>()
const both = task(
  { name: 'both', input: z.object({}), failWhen: (output: string) => output === '' },
  (_, context) => {
    if (context.attempt > 2) return context.attempt === 3 ? fail('no') : ''
    return context.node
  },
)
assertType<Equal<ValueOf<ReturnType<typeof both>>, string>>()
export const checkedByOutput = task(
  {
    name: 'checked-by-output',
    input: z.object({}),
    output: z.object({ ok: z.boolean() }),
    failWhen: (output) => {
      assertType<Equal<typeof output, { ok: boolean }>>()
      return !output.ok
    },
  },
  () => fail(new Error('never')),
)
assertType<Equal<ValueOf<ReturnType<typeof checkedByOutput>>, { ok: boolean }>>()
task(
  // @ts-expect-error the handler's result is not what failWhen takes
  { name: 'wrong', input: z.object({}), failWhen: (output: { ok: boolean }) => !output.ok },
  () => ({ no: true }),
)
// @ts-expect-error neither an error nor a message
fail(1)

// Lists of tasks, and functions that take one.
export const tasks: readonly AnyTask[] = [fetchPage, declared, parseAny, json, silent, parsing]
declare function enqueue<I, O>(target: Task<I, O>, input: I): Promise<O>
export async function enqueues() {
  const page = await enqueue(fetchPage, { url: 'x' })
  assertType<Equal<typeof page, Page>>()
  // @ts-expect-error a wrong input
  await enqueue(fetchPage, { url: 1 })
  // @ts-expect-error a Ref makes sense in a build function only
  await enqueue(fetchPage, { url: fetchPage({ url: 'x' }).text })
}

// What a handler may start.
export const starter = task({ name: 'starter', input: z.object({}) }, async (_input, ctx) => {
  const child = await ctx.enqueue(fetchPage, { url: 'x' }, { key: 'page', delay: '1s' })
  assertType<Equal<typeof child.id, string>>()
  await ctx.enqueue({ flow: 'elsewhere' }, { any: 'input' })
  // @ts-expect-error a wrong input
  await ctx.enqueue(fetchPage, { url: 1 })
  // @ts-expect-error a missing input
  await ctx.enqueue(fetchPage)
  // @ts-expect-error an option that doesn't exist
  await ctx.enqueue(fetchPage, { url: 'x' }, { parent: 'x' })
})

// Arguments of any are unknown: they take everything and give nothing.
assertType<Equal<Arg<Any>, unknown>>()
