import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { httpAware } from '../../examples/http-aware-policy/http-aware.ts'
import { HttpError } from '../../examples/http-aware-policy/http-error.ts'
import { task } from '../../src/index.ts'
import { describeWithRedis } from '../setup/namespace.ts'
import { describePolicyConformance } from '../strategies/conformance/conformance.ts'
import {
  nodeOf,
  type OnTestFinished,
  openScene,
  runEnd,
  stopReasonOf,
  TEST_TIMEOUT_MS,
} from '../worker/scene.ts'

describePolicyConformance('the example http-aware', {
  policy: httpAware({ max: 20 }),
  maxDelayMs: 3_600_000,
  plugins: [httpAware],
  errors: [404, 429, 500].map(
    (status) => new HttpError(new Response('', { status, headers: { 'retry-after': '7' } })),
  ),
})

const page = task({ name: 'page', input: z.object({ url: z.url() }) }, async ({ url }) => {
  const response = await fetch(url)
  if (!response.ok) throw new HttpError(response)
  return await response.text()
})

/** A service that gives the answers one after the other, and the last one from then on. */
async function serve(
  answers: readonly ((response: ServerResponse) => void)[],
  onTestFinished: OnTestFinished,
) {
  let calls = 0
  const server = createServer((_, response) => {
    answers[Math.min(calls++, answers.length - 1)]?.(response)
    response.end('page')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(async () => void server.close())
  // Trust border: a server that listens on TCP has such an address.
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}/`, calls: () => calls }
}

const answer =
  (status: number, headers: Record<string, string> = {}) =>
  (response: ServerResponse) =>
    void response.writeHead(status, { connection: 'close', ...headers })

describeWithRedis('the example http-aware, by name', () => {
  test('waits as Retry-After says, backs off from 5xx', { timeout: TEST_TIMEOUT_MS }, async ({
    onTestFinished,
  }) => {
    const scene = openScene(onTestFinished)
    const service = await serve(
      [
        answer(429, { 'retry-after': '1' }),
        answer(503, { 'retry-after': new Date(0).toUTCString() }),
        answer(500),
        answer(200),
      ],
      onTestFinished,
    )
    await scene.startWorker({ tasks: [page], policies: [httpAware] })
    const retry = { name: 'http-aware', options: { delayMs: 10 } }
    const run = await scene.producer.enqueue(page, { url: service.url }, { retry })
    expect(await run.result({ timeout: '30s' })).toBe('page')
    const { log } = nodeOf(await runEnd(run), 'page')
    expect(log.map(({ decision }) => decision)).toMatchObject([
      { delayMs: 1_000, detail: '429 with Retry-After', part: 'http-aware' },
      { delayMs: 0, detail: '503 with Retry-After' },
      { detail: 'backs off from 500' },
    ])
    expect(service.calls()).toBe(4)
  })

  test.for([
    ['a 404', [answer(404)], {}, 1],
    [
      'a wait that is too long',
      [answer(503, { 'retry-after': '3600' })],
      { maxRetryAfterMs: 1_000 },
      1,
    ],
    ['too many failures', [answer(500)], { max: 2, delayMs: 1 }, 3],
  ] as const)(
    'gives up after %s',
    { timeout: TEST_TIMEOUT_MS },
    async (row, { onTestFinished }) => {
      const [, answers, options, calls] = row
      const scene = openScene(onTestFinished)
      const service = await serve(answers, onTestFinished)
      await scene.startWorker({ tasks: [page], policies: [httpAware] })
      const retry = { name: 'http-aware', options }
      const ended = await runEnd(
        await scene.producer.enqueue(page, { url: service.url }, { retry }),
      )
      expect(stopReasonOf(ended, 'page')).toBe('predicate_false')
      expect(service.calls()).toBe(calls)
    },
  )
})
