import { z } from 'zod'
import { flow } from '../../src/flow/flow.ts'
import { orElse } from '../../src/flow/joins.ts'
import type { Ref } from '../../src/flow/ref-types.ts'
import { task } from '../../src/flow/task.ts'
import { assertType, type Equal } from './assert.ts'

const none = z.object({})
const ping = task({ name: 'ping', input: z.object({ url: z.string() }) }, () => ({ text: 'x' }))
const crawl = flow({ name: 'crawl', input: z.object({ url: z.string() }) }, (input) => ({
  answer: ping({ url: input.url }),
  count: 1,
}))

flow({ name: 'outer', input: none }, () => {
  const run = crawl.asRun({ key: 'a', retry: 2 })({ url: 'x' })
  assertType<Equal<typeof run, Ref<{ answer: { text: string }; count: number }>>>()
  const plan = orElse(run.answer, () => ping({ url: run.answer.text }))
  assertType<Equal<typeof plan, Ref<{ text: string }>>>()
  // @ts-expect-error the input is the flow's
  crawl.asRun()({ link: 'x' })
  // @ts-expect-error a number is no url
  crawl.asRun()({ url: run.count })
  // @ts-expect-error the input is not optional
  crawl.asRun()()
  // @ts-expect-error the flow's output has no such property
  ping({ url: run.answer.title })
  // @ts-expect-error there is no limit to how long it waits
  crawl.asRun({ timeout: '1s' })
  return run
})
