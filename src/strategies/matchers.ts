import type { StoredError } from '../core/failure.ts'
import { checked, listOf } from './option-schemas.ts'

/** An error class, such as `TypeError` or your `HttpError`. */
export type ErrorClass = abstract new (...args: never[]) => Error

/** A matcher that is data: a name, a code, a status class such as `'5xx'` (strings), or an HTTP status (a number). */
export type DataMatcher = string | number

/**
 * One entry of `retryOn` or `abortOn`.
 *
 * | entry | matches an error |
 * |---|---|
 * | a class | whose prototype chain has a class of that name, or that is an instance of it |
 * | `'HttpError'` | with that name, also anywhere in the prototype chain |
 * | `'ECONNRESET'` | with that `code`, its own or that of the nearest cause that has one |
 * | `503` | with that `status` or `statusCode` |
 * | `'5xx'` | with a status of that class |
 */
export type Matcher = DataMatcher | ErrorClass

const STATUS_CLASS = /^[1-5]xx$/i

/** A list of matchers. An empty one would match nothing and is refused. */
export const matchersSchema = listOf(
  checked<Matcher>(
    "an error class with a name, an error's name or code, an HTTP status, or a status class such as '5xx'",
    isMatcher,
  ),
  'error classes, names, codes, HTTP statuses or status classes',
).min(1, 'expected at least one entry, got an empty list; leave the option out instead')

/**
 * The first matcher that an error answers to, or undefined.
 *
 * @param thrown the original value where this process has it, for `instanceof`; undefined elsewhere
 */
export function findMatcher(
  matchers: readonly Matcher[],
  error: StoredError,
  thrown?: unknown,
): Matcher | undefined {
  return matchers.find((matcher) => matches(matcher, error, thrown))
}

/** A matcher as a decision's record and an error message show it. */
export function matcherText(matcher: Matcher): string {
  return typeof matcher === 'function' ? matcher.name : String(matcher)
}

function matches(matcher: Matcher, error: StoredError, thrown: unknown): boolean {
  if (typeof matcher === 'number') return error.status === matcher
  if (typeof matcher === 'function') {
    return error.names.includes(matcher.name) || isInstance(thrown, matcher)
  }
  if (error.name === matcher || error.names.includes(matcher) || error.code === matcher) return true
  return STATUS_CLASS.test(matcher) && isOfStatusClass(error.status, matcher)
}

function isOfStatusClass(status: number | undefined, statusClass: string): boolean {
  return status !== undefined && Math.floor(status / 100) === Number(statusClass[0])
}

function isInstance(thrown: unknown, errorClass: ErrorClass): boolean {
  try {
    return thrown instanceof errorClass
  } catch {
    // A hostile prototype is nobody's instance; its names were stored all the same.
    return false
  }
}

function isMatcher(value: unknown): boolean {
  if (typeof value === 'string') return value !== ''
  if (typeof value === 'number') return Number.isInteger(value) && value >= 100 && value <= 599
  return typeof value === 'function' && value.name !== '' && isErrorClass(value)
}

// By name, because an Error of another realm (vm contexts, some test runners) is not our Error.
function isErrorClass(candidate: { readonly prototype?: unknown }): boolean {
  let proto: unknown = candidate.prototype
  while (typeof proto === 'object' && proto !== null) {
    if (Object.hasOwn(proto, 'constructor') && proto.constructor.name === 'Error') return true
    proto = Object.getPrototypeOf(proto)
  }
  return false
}
