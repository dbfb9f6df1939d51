import { once } from 'node:events'
import { createServer } from 'node:net'
import { pino } from 'pino'
import { Producer, Worker } from 'reprise'
import { expect, onTestFinished, test } from 'vitest'
import { retryExample } from '../../examples/retry-example/flow.ts'
import { startProgram } from '../cli/fixtures.ts'
import { describeWithRedis, redisUrl, testNamespace } from '../setup/namespace.ts'

const SERVICE = 'examples/retry-example/service.ts'

async function startService(failures: number): Promise<string> {
  const service = startProgram(SERVICE, ['--failures', String(failures), '--retry-after', '0'])
  const [, port] = await service.outputMatching(/{"port":(\d+)}/)
  return `http://127.0.0.1:${port}`
}

async function closedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  return typeof address === 'object' ? (address?.port ?? 0) : 0
}

async function runExample(url: string) {
  const place = { redis: redisUrl(), namespace: testNamespace() }
  const logger = pino({ level: 'silent' })
  const worker = new Worker({ ...place, flows: [retryExample], logger })
  const producer = new Producer(place)
  onTestFinished(async () => {
    await Promise.all([worker.close(), producer.close()])
  })
  await worker.ready()
  const run = await producer.enqueue(retryExample, { url, expensiveMs: 1 })
  const result = await run.result()
  const nodes = (await run.read())?.nodes ?? []
  const attempts = nodes
    .filter((node) => node.kind === 'task')
    .map((node) => [node.key, node.attempts])
  return { result, attempts: Object.fromEntries(attempts), nodes }
}

describeWithRedis('examples/retry-example', () => {
  test('sends the same payload until the service is up', async () => {
    const { result, attempts, nodes } = await runExample(await startService(2))
    expect(result).toEqual({ answer: 'thanks, request 3' })
    expect(attempts).toEqual({ 'create-payload': 1, 'ping-service': 3, 'cached-copy': 0 })
    const ping = nodes.find((node) => node.key === 'ping-service')
    expect(ping?.log[0]).toMatchObject({
      error: { name: 'RetryRequested', cause: { name: 'HttpError', status: 503 } },
      decision: { action: 'retry', rule: 'retry_requested', delayMs: 0, maxRetries: 5 },
    })
  })

  test('takes plan B when the service stays down', async () => {
    const { result, attempts } = await runExample(await startService(99))
    expect(result).toEqual({
      answer: 'the copy of yesterday',
      why: '503 Service Unavailable',
    })
    expect(attempts).toEqual({ 'create-payload': 1, 'ping-service': 6, 'cached-copy': 1 })
  })

  test('retries by its policy where nothing listens', async () => {
    const { result, attempts } = await runExample(`http://127.0.0.1:${await closedPort()}`)
    expect(result).toMatchObject({ answer: 'the copy of yesterday' })
    expect(attempts).toMatchObject({ 'ping-service': 6 })
  })
})
