import type { z } from 'zod'
import { checked } from '../strategies/option-schemas.ts'

/** An option that is a zod schema, also one of another copy of zod 4. */
export const zodSchema = checked<z.ZodType>(
  'a zod 4 schema, such as z.object({ url: z.url() })',
  (value) => typeof value === 'object' && value !== null && '_zod' in value && 'safeParse' in value,
)
