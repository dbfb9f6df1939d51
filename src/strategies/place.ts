/** BullMQ's greatest priority number, which is its lowest priority. */
export const MAX_PRIORITY = 2_097_152

const QUEUE = /^[^:\s]{1,100}$/

/** Whether a value is the name of a queue, by BullMQ's rule. */
export function isQueueName(value: unknown): boolean {
  return typeof value === 'string' && QUEUE.test(value)
}

/** Whether a value is a BullMQ priority. */
export function isPriority(value: unknown): boolean {
  return Number.isSafeInteger(value) && Number(value) >= 0 && Number(value) <= MAX_PRIORITY
}

const MAX_LOCK_KEY = 256

/** What a lock's key is, for messages. */
export const LOCK_KEY = `a lock's key: 1 to ${MAX_LOCK_KEY} characters`

/** Whether a value is the key of a lock. */
export function isLockKey(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= MAX_LOCK_KEY
}
