/** An HTTP answer that is no success. Reprise stores `status` and `retryAfterMs` with the failure. */
export class HttpError extends Error {
  override readonly name = 'HttpError'
  readonly status: number
  readonly retryAfterMs: number | undefined

  constructor({ status, url, headers }: Response) {
    super(`HTTP ${status} from ${url}`)
    this.status = status
    this.retryAfterMs = readRetryAfter(headers.get('retry-after'))
  }
}

/** Reads the header in both of its forms: seconds, or a date. */
function readRetryAfter(header: string | null): number | undefined {
  if (header === null) return undefined
  const waitMs = /^\d+$/.test(header) ? Number(header) * 1_000 : Date.parse(header) - Date.now()
  return Number.isFinite(waitMs) ? Math.max(0, waitMs) : undefined
}
