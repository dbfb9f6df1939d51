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
