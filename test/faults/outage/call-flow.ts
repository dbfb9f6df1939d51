import { z } from 'zod'
import { type Task, task } from '../../../src/index.ts'

/** A task that calls the service once per attempt; its policy is given at enqueue. */
export function callTask(serviceUrl: string): Task<Record<string, never>, string> {
  return task(
    { name: 'call', input: z.object({}), output: z.string() },
    async (_, { run, attempt, signal }) => {
      const query = `run=${run.id}&attempt=${attempt}&pid=${process.pid}`
      const response = await fetch(`${serviceUrl}/call?${query}`, { signal })
      await response.arrayBuffer()
      if (!response.ok) throw new Error(`the service answered ${response.status}`)
      return 'called'
    },
  )
}
