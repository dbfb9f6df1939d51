import { z } from 'zod'
import { is } from '../../src/flow/conditions.ts'
import { type AnyFlow, flow } from '../../src/flow/flow.ts'
import { firstOf, orElse, settled, succeeded } from '../../src/flow/joins.ts'
import type { IsAny } from '../../src/flow/jsonify.ts'
import type { MapResult } from '../../src/flow/map-types.ts'
import type { Ref, Settled } from '../../src/flow/ref-types.ts'
import { at } from '../../src/flow/refs.ts'
import { type AnyTask, task } from '../../src/flow/task.ts'
import { type Any, assertType, type Equal, type ValueOf } from './assert.ts'

const page = z.object({ url: z.string(), index: z.number().optional() })
const fetchPage = task({ name: 'fetch', input: page }, ({ url }) => ({ html: url }))
const parse = task({ name: 'parse', input: z.object({ html: z.string() }) }, () => 7)
const report = task({ name: 'report', input: z.array(z.number()) }, () => 'done')
const crawl = flow({ name: 'crawl', input: page }, (input) => {
  const { html } = fetchPage(input)
  return { html, links: parse({ html }) }
})
const url = z.object({ id: z.string(), tags: z.array(z.string()) })

export const maps = flow({ name: 'maps', input: z.object({ urls: z.array(url) }) }, (input) => {
  const pages = fetchPage.map(input.urls, (item, index) => {
    assertType<Equal<typeof item, Ref<ValueOf<typeof input.urls>[number]>>>()
    assertType<Equal<typeof item.id, Ref<string>>>()
    assertType<Equal<typeof index, Ref<number>>>()
    return { url: item.id, index }
  })
  assertType<Equal<ValueOf<typeof pages>, { html: string }[]>>()
  const isRef: Ref<{ html: string }[]> = pages
  const first = at(pages, 0)
  assertType<Equal<typeof first, Ref<{ html: string }>>>()

  // Options.
  const some = fetchPage.map(
    input.urls,
    (item) => {
      assertType<Equal<typeof item.id, Ref<string>>>()
      return { url: item.id }
    },
    {
      key: (item) => {
        assertType<Equal<typeof item.id, Ref<string>>>()
        return item.id
      },
      tolerate: 0.5,
      maxItems: 5,
    },
  )
  assertType<Equal<ValueOf<typeof some>, Settled<{ html: string }>[]>>()
  const plain = fetchPage.map(input.urls, ({ id }) => ({ url: id }), { maxItems: 5 })
  assertType<Equal<ValueOf<typeof plain>, { html: string }[]>>()
  // A tolerance that may be missing gives either.
  const mayTolerate: { tolerate?: number | undefined } = {}
  const either = fetchPage.map(input.urls, ({ id }) => ({ url: id }), mayTolerate)
  assertType<Equal<ValueOf<typeof either>, ({ html: string } | Settled<{ html: string }>)[]>>()

  // Element by element, without a function.
  const links = parse.map(pages)
  assertType<Equal<ValueOf<typeof links>, number[]>>()
  report(links)
  parse.map(pages, { tolerate: 1 })
  parse.map(some, (item) => {
    assertType<Equal<typeof item.status, Ref<Settled<unknown>['status']>>>()
    return firstOf(first, first)
  })

  // Outcomes.
  const outcomes = settled(pages)
  assertType<Equal<typeof outcomes, Ref<Settled<{ html: string }>[]>>>()
  const outcomesOfSome = settled(some)
  assertType<Equal<typeof outcomesOfSome, Ref<Settled<{ html: string }>[]>>>()
  const good = succeeded(some)
  assertType<Equal<typeof good, Ref<{ html: string }[]>>>()
  assertType<Equal<ReturnType<typeof succeeded<number>>, Ref<number[]>>>()
  const alsoGood = succeeded(outcomes)
  assertType<Equal<typeof alsoGood, Ref<{ html: string }[]>>>()
  const planB = orElse(pages, (failure) => parse({ html: failure.error.message }))
  assertType<Equal<typeof planB, Ref<number | { html: string }[]>>>()
  // @ts-expect-error the list of a group has no outcomes
  succeeded(pages)
  // @ts-expect-error no list
  succeeded(settled(first))

  // A whole flow for each item.
  const crawled = crawl.map(input.urls, ({ id }) => ({ url: id }), { tolerate: 2 })
  assertType<Equal<ValueOf<typeof crawled>, Settled<{ html: string; links: number }>[]>>()
  const named = crawl.with({ key: 'c' }).map(input.urls, ({ id }) => ({ url: id }))
  assertType<Equal<ValueOf<typeof named>, { html: string; links: number }[]>>()
  fetchPage.with({ retry: 1 }).map(input.urls, ({ id }) => ({ url: id }))

  // What doesn't fit.
  // @ts-expect-error a wrong argument
  fetchPage.map(input.urls, (item) => ({ url: item.tags }))
  // @ts-expect-error a missing argument
  fetchPage.map(input.urls, (_item, index) => ({ index }))
  // @ts-expect-error no such property
  fetchPage.map(input.urls, (item) => ({ url: item.nope }))
  // @ts-expect-error an item is no input
  fetchPage.map(input.urls)
  // @ts-expect-error nothing to map
  fetchPage.map(first, () => ({ url: 'x' }))
  // @ts-expect-error nothing to map
  fetchPage.map('text', () => ({ url: 'x' }))
  // @ts-expect-error no option
  fetchPage.map(input.urls, ({ id }) => ({ url: id }), { tolerated: 1 })
  // @ts-expect-error no number
  fetchPage.map(input.urls, ({ id }) => ({ url: id }), { tolerate: '1' })
  // @ts-expect-error no key
  fetchPage.map(input.urls, ({ id }) => ({ url: id }), { key: (item) => item.tags })
  // @ts-expect-error an async function
  fetchPage.map(input.urls, async ({ id }) => ({ url: id }))
  // @ts-expect-error a wrong input of a flow
  crawl.map(input.urls, ({ tags }) => ({ url: tags }))
  // @ts-expect-error no number of items is known
  report.map(pages, (item) => item.length)
  return { isRef, good, all: settled(crawled) }
})
assertType<
  Equal<ValueOf<ReturnType<typeof maps>>['all'], Settled<{ html: string; links: number }>[]>
>()

// The items' types.
const loose = z.object({
  either: z.union([z.array(z.string()), z.array(z.number())]),
  mixed: z.array(z.union([z.string(), z.number()])),
  tuple: z.tuple([z.string(), z.number()]),
  fixed: z.array(z.string()).readonly(),
  whatever: z.array(z.any()),
  unknown: z.unknown(),
  nullable: z.array(z.string()).nullable(),
})
const take = task({ name: 'take', input: z.unknown() }, (input) => input)
export const items = flow({ name: 'items', input: loose }, (input) => {
  take.map(input.either, (item) => {
    assertType<Equal<typeof item, Ref<string | number>>>()
    return is(item, 'x')
  })
  take.map(input.mixed, (item) => {
    assertType<Equal<ValueOf<typeof item>, string | number>>()
    return item
  })
  take.map(input.tuple, (item) => {
    assertType<Equal<ValueOf<typeof item>, string | number>>()
    return item
  })
  take.map(input.fixed, (item) => {
    assertType<Equal<typeof item, Ref<string>>>()
    return item
  })
  take.map(input.whatever, (item) => {
    assertType<Equal<IsAny<typeof item>, false>>()
    assertType<Equal<typeof item, Ref<unknown>>>()
    return item
  })
  take.map(input.unknown, (item) => {
    assertType<Equal<typeof item, Ref<unknown>>>()
    return item
  })
  // An array with Refs in it.
  take.map([at(input.tuple, 1), 2], (item) => {
    assertType<Equal<typeof item, Ref<number>>>()
    return item
  })
  take.map([{ a: at(input.tuple, 0) }] as const, (item) => {
    assertType<Equal<typeof item.a, Ref<string>>>()
    return item
  })
  report.map([[1], [2, 3]])
  // @ts-expect-error an item is no list of numbers
  report.map(['x'])
  // @ts-expect-error it may be null
  take.map(input.nullable, (item) => item)
  const untyped: Any = null
  const result = take.map(input.whatever, () => untyped)
  assertType<Equal<ValueOf<typeof result>, unknown[]>>()
  return result
})

export const tasks: readonly AnyTask[] = [fetchPage, parse, report, take]
export const flows: readonly AnyFlow[] = [crawl, maps, items]
assertType<Equal<ValueOf<MapResult<string, undefined>>, string[]>>()
