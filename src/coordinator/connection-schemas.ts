import { z } from 'zod'
import { DEFAULT_NAMESPACE } from '../core/ids.ts'

/** The option `redis` of everything that connects. */
export const redisSchema = z.union([z.string().min(1), z.record(z.string(), z.unknown())], {
  error: 'expected a URL such as redis://localhost:6379, or ioredis options',
})

/** The option `namespace` of everything that connects. */
export const namespaceSchema = z
  .string()
  .regex(/^[A-Za-z0-9._-]{1,50}$/, 'expected 1 to 50 letters, digits, `.`, `_`, `-`')
  .default(DEFAULT_NAMESPACE)
