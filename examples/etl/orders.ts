import { z } from 'zod'

/** The regions; each has a file of its own: `data/<region>.ndjson`. */
export const REGIONS = ['north', 'south', 'west'] as const

/** One line of a region's file. */
export const orderSchema = z.strictObject({
  order: z.string(),
  product: z.string(),
  quantity: z.int().min(1),
  unitCents: z.int().min(0),
  currency: z.enum(['EUR', 'USD', 'GBP']),
})

/** What one unit of a currency is in euros. */
export const ratesSchema = z.record(z.enum(['EUR', 'USD', 'GBP']), z.number().positive())

/** What one region earned, in cents of a euro, by product. */
export const revenueSchema = z.object({
  region: z.enum(REGIONS),
  orders: z.int(),
  centsByProduct: z.record(z.string(), z.int()),
})
