import { Queue } from 'bullmq'
import { expect, test } from 'vitest'
import { connectRedis } from '../../src/coordinator/connection.ts'
import { describeWithRedis, redisUrl } from '../setup/namespace.ts'

describeWithRedis('a connection that many listen to', () => {
  test('is shared with a queue without a warning of Node', async ({ onTestFinished }) => {
    const warnings: string[] = []
    const warn = (warning: Error) => warnings.push(warning.message)
    process.on('warning', warn)
    const connection = connectRedis(redisUrl(), 'patient')
    for (let i = 0; i < 20; i++) connection.on('error', () => {})
    const queue = new Queue('listeners', { connection })
    onTestFinished(async () => {
      process.off('warning', warn)
      await queue.close()
      connection.disconnect()
    })
    await queue.waitUntilReady()
    await new Promise((resolve) => setImmediate(resolve))
    expect(warnings).toEqual([])
  })
})
