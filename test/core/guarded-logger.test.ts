import { once } from 'node:events'
import { pino } from 'pino'
import { expect, test } from 'vitest'
import { guardLogger } from '../../src/core/guarded-logger.ts'
import type { Logger } from '../../src/core/logger.ts'

test('a guarded logger writes what the logger writes, also its children', () => {
  const lines: string[] = []
  const logger = guardLogger(pino({}, { write: (line: string) => lines.push(line) }))
  logger.info({ a: 1 }, 'one')
  logger.child({ b: 2 }).child({ c: 3 }).warn({ d: 4 }, 'two')
  logger.debug({}, 'below the level')
  const written = lines.map((line): unknown => JSON.parse(line))
  expect(written).toMatchObject([
    { level: 30, a: 1, msg: 'one' },
    { level: 40, b: 2, c: 3, d: 4, msg: 'two' },
  ])
})

test('what a logger throws is a warning of the process, once', async () => {
  const broken = () => {
    throw new Error('the disk is full')
  }
  const logger = guardLogger(brokenLogger(broken))
  const warned = once(process, 'warning')
  logger.error({}, 'one')
  logger.child({}).info({}, 'two')
  expect(await warned).toMatchObject([{ message: 'the logger threw: the disk is full' }])
})

function brokenLogger(broken: () => never): Logger {
  return { debug: broken, info: broken, warn: broken, error: broken, child: broken }
}
