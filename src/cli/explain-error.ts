import { messageOf } from '../core/errors.ts'

/** What a user is told of anything that was thrown: its message, and no stack trace. */
export function explainError(thrown: unknown): string {
  const message = messageOf(thrown)
  return message === '' ? String(thrown) : message
}
