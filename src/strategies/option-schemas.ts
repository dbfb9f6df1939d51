import { z } from 'zod'
import { type Duration, toMs } from '../core/duration.ts'
import { DefinitionError } from '../core/errors.ts'
import { storeError } from '../core/failure.ts'

/**
 * Parses the options of a public entry.
 *
 * @param where what the user called, such as `policy.linear`
 * @param cause the cause of the error; what the schema found if absent
 * @throws DefinitionError that lists every bad option with what was expected and what was got
 */
export function parseOptions<S extends z.ZodType>(
  schema: S,
  options: unknown,
  where: string,
  cause?: unknown,
): z.output<S> {
  const parsed = schema.safeParse(options)
  if (parsed.success) return parsed.data
  throw new DefinitionError(`${where}: ${z.prettifyError(parsed.error)}`, {
    cause: cause ?? parsed.error,
  })
}

/** A value that passes a check; else the message says what was expected and what was got. */
export function checked<T>(what: string, isGood: (value: unknown) => boolean) {
  return z.custom<T>(isGood, { error: (issue) => `expected ${what}, got ${quote(issue.input)}` })
}

/** One of a few texts. */
export function oneOf<T extends string>(names: readonly T[]) {
  const list = names.map((name) => `'${name}'`).join(', ')
  return checked<T>(`one of ${list}`, (value) => names.some((name) => name === value))
}

/** A list whose message, if it is none, says what was expected and what was got. */
export function listOf<S extends z.ZodType>(item: S, what: string) {
  return z.array(item, {
    error: (issue) => `expected a list of ${what}, got ${quote(issue.input)}`,
  })
}

/** A duration, as whole milliseconds. */
export const durationSchema = z.custom<Duration>().transform((value, context) => {
  try {
    return toMs(value, 'duration')
  } catch {
    context.addIssue(
      `expected a duration (milliseconds, or a string such as '5s', '2m', '1h'), got ${quote(value)}`,
    )
    return z.NEVER
  }
})

/** A limit on how often: a whole number, or null for none. `Infinity` is null, which JSON can carry. */
export const limitSchema = checked<number | null>(
  'a whole number from 0, or Infinity (in JSON: null) for no limit',
  (value) => value === null || value === Number.POSITIVE_INFINITY || isCount(value),
).transform((value) => (value === Number.POSITIVE_INFINITY ? null : value))

/** A whole number from 0. */
export const countSchema = checked<number>('a whole number from 0', isCount)

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && Number(value) >= 0
}

/** A value as an error message shows it. It never throws. */
export function quote(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value)
  if (typeof value === 'function') {
    // A Ref is a function whose properties are Refs.
    const name: unknown = value.name
    return typeof name === 'string' && name !== '' ? `function ${name}` : 'a function'
  }
  if (typeof value === 'object' && value !== null) {
    return Array.isArray(value) ? 'an array' : `an object (${storeError(value).name})`
  }
  return String(value)
}
