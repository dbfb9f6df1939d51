import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { policy, task } from 'reprise'
import { z } from 'zod'
import { orderSchema, REGIONS, ratesSchema, revenueSchema } from './orders.ts'

const regionSchema = z.enum(REGIONS)

/** Extract: reads and checks the file of one region. */
export const extract = task(
  { name: 'extract', input: z.object({ dir: z.string(), region: regionSchema }) },
  async ({ dir, region }) => {
    const text = await readFile(join(dir, `${region}.ndjson`), 'utf8')
    return text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => orderSchema.parse(JSON.parse(line)))
  },
)

/** Extract: reads the exchange rates, which all regions share. */
export const extractRates = task(
  { name: 'extract-rates', input: z.object({ dir: z.string() }) },
  async ({ dir }) => ratesSchema.parse(JSON.parse(await readFile(join(dir, 'rates.json'), 'utf8'))),
)

/** Transform: adds up one region by product, in euros. The first attempt at the region `failsOnce` fails. */
export const transform = task(
  {
    name: 'transform',
    input: z.object({
      region: regionSchema,
      orders: z.array(orderSchema),
      rates: ratesSchema,
      failsOnce: regionSchema.nullable(),
    }),
    output: revenueSchema,
    retry: policy.constant({ delay: '500ms', maxRetries: 3 }),
  },
  ({ region, orders, rates, failsOnce }, ctx) => {
    if (region === failsOnce && ctx.attempt === 1) throw new Error(`no memory left for ${region}`)
    const centsByProduct: Record<string, number> = {}
    for (const { product, quantity, unitCents, currency } of orders) {
      const cents = Math.round(quantity * unitCents * rates[currency])
      centsByProduct[product] = (centsByProduct[product] ?? 0) + cents
    }
    return { region, orders: orders.length, centsByProduct }
  },
)

/** Join: one table of all regions, a row for each product. */
export const combine = task(
  { name: 'combine', input: z.object({ parts: z.array(revenueSchema) }) },
  ({ parts }) => {
    const products = new Set(parts.flatMap((part) => Object.keys(part.centsByProduct)))
    return [...products].sort().map((product) => {
      const cents = parts.map((part) => part.centsByProduct[product] ?? 0)
      return { product, cents, total: cents.reduce((sum, value) => sum + value, 0) }
    })
  },
)

const tableSchema = z.array(
  z.object({ product: z.string(), cents: z.array(z.int()), total: z.int() }),
)

/** Load: writes the table. The file appears whole or not at all, so a repeated attempt does no harm. */
export const load = task(
  { name: 'load', input: z.object({ outDir: z.string(), table: tableSchema }) },
  async ({ outDir, table }, ctx) => {
    const header = ['product', ...REGIONS, 'total'].join(',')
    const rows = table.map(({ product, cents, total }) =>
      [product, ...[...cents, total].map((value) => (value / 100).toFixed(2))].join(','),
    )
    const file = join(outDir, 'revenue.csv')
    const draft = `${file}.${ctx.run.id}.draft`
    await mkdir(outDir, { recursive: true })
    await writeFile(draft, [header, ...rows, ''].join('\n'))
    await rename(draft, file)
    return { file, rows: rows.length }
  },
)
