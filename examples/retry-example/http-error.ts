/** A response that is no success. Policies match its `status`: `retryOn: ['5xx']`. */
export class HttpError extends Error {
  override readonly name = 'HttpError'
  readonly status: number
  /** What the `Retry-After` header asked for, in ms; null without one. */
  readonly retryAfterMs: number | null

  constructor(response: Response) {
    super(`${response.status} ${response.statusText}`)
    this.status = response.status
    this.retryAfterMs = readRetryAfter(response.headers.get('retry-after'))
  }
}

// The header is a number of seconds or an HTTP date.
function readRetryAfter(header: string | null): number | null {
  if (header === null) return null
  const milliseconds = /^\d+$/.test(header)
    ? Number(header) * 1_000
    : Date.parse(header) - Date.now()
  return Number.isNaN(milliseconds) ? null : Math.max(0, milliseconds)
}
