import { describe, expect, test } from 'vitest'
import {
  childRunId,
  foreignRunId,
  isRunId,
  newRunId,
  shardPrefix,
  shortHash,
  ticketJobId,
} from '../../src/core/ids.ts'

describe('newRunId', () => {
  test('names its shard, and sorts by time', () => {
    const ids = Array.from({ length: 1_000 }, () => newRunId(3))
    expect(ids.every((id) => id.startsWith('3-') && isRunId(id))).toBe(true)
    expect(ids.toSorted()).toEqual(ids)
    expect(new Set(ids).size).toBe(ids.length)
  })
})

describe('foreignRunId', () => {
  test('is the same for the same job', () => {
    const id = foreignRunId(0, 'default', '42', 1_700_000_000_000)
    expect(foreignRunId(0, 'default', '42', 1_700_000_000_000)).toBe(id)
    expect(isRunId(id)).toBe(true)
  })

  test.each([
    ['shard', foreignRunId(1, 'default', '42', 5)],
    ['queue', foreignRunId(0, 'slow', '42', 5)],
    ['job', foreignRunId(0, 'default', '43', 5)],
    ['time', foreignRunId(0, 'default', '42', 6)],
  ])('depends on the %s', (_name, id) => expect(id).not.toBe(foreignRunId(0, 'default', '42', 5)))
})

describe('childRunId', () => {
  const id = childRunId('3-01JABCDEFGHJKMNPQRSTVWXYZ0', 'eu/ping', 'mail#1')

  test('is the same for the same call, in the shard of the parent', () => {
    expect(childRunId('3-01JABCDEFGHJKMNPQRSTVWXYZ0', 'eu/ping', 'mail#1')).toBe(id)
    expect(id.startsWith('3-') && isRunId(id)).toBe(true)
    expect(isRunId(childRunId(id, 'ping', 'mail#1'))).toBe(true)
  })

  test.each([
    ['parent', childRunId('3-01JABCDEFGHJKMNPQRSTVWXYZ1', 'eu/ping', 'mail#1')],
    ['node', childRunId('3-01JABCDEFGHJKMNPQRSTVWXYZ0', 'ping', 'mail#1')],
    ['call', childRunId('3-01JABCDEFGHJKMNPQRSTVWXYZ0', 'eu/ping', 'mail#2')],
  ])('depends on the %s', (_name, other) => expect(other).not.toBe(id))
})

describe('isRunId', () => {
  const ulid = '01JABCDEFGHJKMNPQRSTVWXYZ0'

  test.each([
    [`0-${ulid}`, true],
    [`12-${ulid}`, true],
    [`0-${ulid}~1`, true],
    [`0-${ulid}~1~12`, true],
    [`0-x${'0a'.repeat(12)}0`, true],
    [ulid, false],
    [`-${ulid}`, false],
    [`a-${ulid}`, false],
    [`0-${ulid.toLowerCase()}`, false],
    [`0-${ulid}0`, false],
    [`0-${ulid}~`, false],
    [`0-${ulid}.1`, false],
    [`0-${ulid}\n`, false],
    ['', false],
  ])('of %j is %s', (text, expected) => expect(isRunId(text)).toBe(expected))
})

describe('ticketJobId', () => {
  test.each([
    [0, '0-a'],
    [1, '0-a.1'],
    [27, '0-a.27'],
  ])('of ticket %d', (ticket, expected) => expect(ticketJobId('0-a', ticket)).toBe(expected))
})

describe('shardPrefix', () => {
  test('is a hash tag', () => expect(shardPrefix('reprise', 2)).toBe('{reprise:2}'))
})

describe('shortHash', () => {
  test('is 16 characters that differ between texts', () => {
    expect(shortHash('a')).toMatch(/^[\w-]{16}$/)
    expect(shortHash('a')).toBe(shortHash('a'))
    expect(shortHash('a')).not.toBe(shortHash('b'))
  })
})
