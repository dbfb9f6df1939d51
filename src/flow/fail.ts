const FAILED = Symbol.for('reprise.failed_result')

/** What `fail(error)` gives: a handler that returns it has failed. */
export interface FailedResult {
  readonly [FAILED]: Error
}

/**
 * Makes a returned value a failure: the attempt ends as if the handler had thrown the error, and its policy is asked as
 * usual.
 *
 * @param error the error, or its message
 * @example
 * return response.ok ? await response.json() : fail(new HttpError(response))
 */
export function fail(error: Error | string): FailedResult {
  return Object.freeze({ [FAILED]: typeof error === 'string' ? new Error(error) : error })
}

/** The error of a failed result, of any copy of this package; undefined for any other result. */
export function errorOfResult(result: unknown): unknown {
  if (typeof result !== 'object' || result === null) return undefined
  try {
    return Reflect.get(result, FAILED)
  } catch {
    // What can't be read can't be stored either, and that is reported.
    return undefined
  }
}
