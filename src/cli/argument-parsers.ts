import { InvalidArgumentError } from 'commander'
import { type Duration, toMs } from '../core/duration.ts'
import { messageOf } from '../core/errors.ts'
import { parseJson } from './parse-json.ts'

/** Reads a duration such as `3s` or `250` (milliseconds), as whole milliseconds. */
export function parseDuration(text: string): number {
  try {
    return toMs(text as Duration, 'duration')
  } catch (error) {
    throw new InvalidArgumentError(messageOf(error))
  }
}

/** Makes a reader of whole numbers within bounds, both included. */
export function parseCount(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN
    if (value >= min && value <= max) return value
    throw new InvalidArgumentError(`expected a whole number from ${min} to ${max}`)
  }
}

/** Makes a reader of JSON; `what` names it in errors. */
export function parseJsonArgument(what: string): (text: string) => unknown {
  return (text) => {
    try {
      return parseJson(text, what)
    } catch (error) {
      throw new InvalidArgumentError(messageOf(error))
    }
  }
}
