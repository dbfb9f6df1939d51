import prettyMilliseconds from 'pretty-ms'

/** A length of time for people: `12ms`, `1.4s`, `2m 5s`. */
export function durationText(milliseconds: number): string {
  return prettyMilliseconds(Math.max(0, milliseconds), { secondsDecimalDigits: 1, unitCount: 2 })
}

/** The time left, in a form whose width changes as little as can be: `1.4s`, `0.6s`, `2m 5s`. */
export function countdownText(milliseconds: number): string {
  const left = Math.max(0, milliseconds)
  return left < 60_000 ? `${(Math.ceil(left / 100) / 10).toFixed(1)}s` : durationText(left)
}
