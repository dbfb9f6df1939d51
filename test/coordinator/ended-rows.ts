import type { Driver } from './driver.ts'

/** A ticket whose row holds only failed nodes. */
export interface EndedRow {
  readonly ticket: number
  readonly indices: readonly number[]
}

/** The rows whose jobs have failed, so that a dashboard shows a button for them. */
export async function endedRows(driver: Driver): Promise<EndedRow[]> {
  const fields = await driver.redis.hgetall(driver.keys.run(driver.runId))
  return Object.entries(fields)
    .filter(([name, row]) => /^t\d+$/.test(name) && row.startsWith('e|'))
    .map(([name, row]) => ({
      ticket: Number(name.slice(1)),
      indices: [...row.matchAll(/!(\d+)/g)].map(([, index]) => Number(index)),
    }))
}
