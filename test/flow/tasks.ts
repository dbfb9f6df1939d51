import { z } from 'zod'
import { task } from '../../src/flow/task.ts'

/** Tasks for the tests' flows. They are called in build functions only, so their handlers matter little. */
export const list = task({ name: 'list', input: z.object({ site: z.string() }) }, ({ site }) => ({
  urls: [site],
  title: site,
  nested: { deep: 1 },
}))
export const ping = task(
  { name: 'ping', input: z.object({ url: z.string(), note: z.string().optional() }) },
  ({ url }) => ({ text: url }),
)
export const alert = task({ name: 'alert', input: z.object({}) }, () => null)
export const take = task({ name: 'take', input: z.unknown() }, (input) => input)
