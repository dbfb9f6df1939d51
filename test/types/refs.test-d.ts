import { z } from 'zod'
import { flow } from '../../src/flow/flow.ts'
import type { Ref } from '../../src/flow/ref-types.ts'
import { at } from '../../src/flow/refs.ts'
import { task } from '../../src/flow/task.ts'
import { assertType, type Equal } from './assert.ts'

type Shape =
  | { readonly kind: 'circle'; readonly radius: number }
  | { readonly kind: 'box'; readonly sides: [width: number, name: string] }

const report = task({ name: 'report', input: z.object({}) }, () => ({
  title: 'x',
  note: undefined as string | undefined,
  author: null as { name: string } | null,
  tags: ['a'],
  pair: [1, 'a'] as [number, string],
  byCity: {} as Record<string, { people: number }>,
  shape: { kind: 'circle', radius: 1 } as Shape,
  due: new Date(),
  nested: { deep: { flag: true } },
}))
type Report = ReturnType<typeof report> extends Ref<infer T> ? T : never
const loose = task({ name: 'loose', input: z.object({}) }, () => JSON.parse('{}'))
interface Optional {
  readonly reply?: { readonly body?: string }
}
const maybe = task({ name: 'maybe', input: z.object({}) }, (): Optional => ({}))

export const reads = flow({ name: 'reads', input: z.object({ at: z.date() }) }, (input) => {
  const r = report({})
  assertType<Equal<typeof r, Ref<Report>>>()
  assertType<Equal<typeof input.at, Ref<string>>>()
  assertType<Equal<typeof r.title, Ref<string>>>()
  assertType<Equal<typeof r.due, Ref<string>>>()
  assertType<Equal<typeof r.nested.deep.flag, Ref<boolean>>>()

  // Optional and nullable: the path may lead nowhere.
  assertType<Equal<typeof r.note, Ref<string | undefined>>>()
  const m = maybe({})
  assertType<Equal<typeof m.reply, Ref<{ readonly body?: string } | undefined>>>()
  const body: Ref<string | undefined> = m.reply.body
  const author: Ref<string | undefined> = r.author.name

  // Unions: every member's properties, undefined where a member lacks one.
  assertType<Equal<typeof r.shape.kind, Ref<'circle' | 'box'>>>()
  assertType<Equal<typeof r.shape.radius, Ref<number | undefined>>>()

  // Arrays, tuples and records.
  assertType<Equal<ReturnType<typeof firstTag>, Ref<string>>>()
  const firstTag = () => at(r.tags, 0)
  const name: Ref<string> = at(r.pair, 1)
  const width: Ref<number> = at(r.pair, 0)
  const oslo: Ref<{ people: number }> = at(r.byCity, 'oslo')
  const title: Ref<string> = at(r, 'title')
  assertType<Equal<ReturnType<typeof deeper>, Ref<unknown>>>()
  const deeper = () => at(at(loose({}), 'items'), 0)
  // @ts-expect-error a tuple of two has no third element
  at(r.pair, 2)
  // @ts-expect-error an array has no names
  at(r.tags, 'x')
  // @ts-expect-error a property that isn't there
  at(r, 'subtitle')
  // @ts-expect-error a property that isn't there
  r.subtitle
  // @ts-expect-error unknown has no names; that is at(ref, name)
  loose({}).items
  // @ts-expect-error a string has no parts
  r.title.length
  // @ts-expect-error arrays have no methods in a build function
  r.tags.map
  // @ts-expect-error nor elements; that is at(ref, 0)
  r.tags[0]
  return { body, author, name, width, oslo, title }
})

export function misuse(r: Ref<{ url: string; urls: string[]; n: number }>) {
  // @ts-expect-error a Ref is no number
  const sum = r.n + 1
  // @ts-expect-error a Ref is not iterable
  const list = [...r.urls]
  return [sum, list]
}
