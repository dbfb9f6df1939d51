import ms, { type StringValue } from 'ms'
import { DefinitionError } from './errors.ts'

/** A length of time: a number of milliseconds, or a string such as `'250ms'`, `'5s'`, `'1.5m'`, `'2h'`, `'7d'`. */
export type Duration = number | StringValue

/**
 * Reads a duration as whole milliseconds, rounded up.
 *
 * @param value a number of milliseconds, or a string that the `ms` package reads
 * @param option the name of the option, quoted in the error
 * @throws DefinitionError when the value is no finite, non-negative duration
 */
export function toMs(value: Duration, option: string): number {
  const milliseconds = typeof value === 'string' ? parseText(value) : value
  if (typeof milliseconds !== 'number' || !Number.isFinite(milliseconds) || milliseconds < 0) {
    throw new DefinitionError(
      `${option}: expected a duration (milliseconds, or a string such as '5s', '2m', '1h'), got ${describe(value)}`,
    )
  }
  return Math.ceil(milliseconds)
}

function parseText(value: StringValue): number | undefined {
  if (value.length === 0 || value.length > 100) return undefined
  return ms(value)
}

function describe(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value) : String(value)
}
