import { describe, expect, test } from 'vitest'
import { type Duration, toMs } from '../../src/core/duration.ts'
import { DefinitionError } from '../../src/core/errors.ts'

describe('toMs', () => {
  test.each<[Duration, number]>([
    [0, 0],
    [250, 250],
    [0.1, 1],
    [1.5, 2],
    ['0', 0],
    ['250ms', 250],
    ['5s', 5_000],
    ['1.5m', 90_000],
    ['2h', 7_200_000],
    ['7d', 604_800_000],
    ['1 minute', 60_000],
  ])('of %j is %d ms', (value, expected) => expect(toMs(value, 'delay')).toBe(expected))

  test.each<[string, unknown, string]>([
    ['a negative number', -1, 'got -1'],
    ['a negative text', '-5s', 'got "-5s"'],
    ['NaN', Number.NaN, 'got NaN'],
    ['an infinity', Number.POSITIVE_INFINITY, 'got Infinity'],
    ['an empty text', '', 'got ""'],
    ['another text', 'soon', 'got "soon"'],
    ['an unknown unit', '5 parsecs', 'got "5 parsecs"'],
    ['a long text', `${'1'.repeat(100)}s`, 'got "1111'],
    ['null', null, 'got null'],
    ['undefined', undefined, 'got undefined'],
    ['an object', { seconds: 5 }, 'got [object Object]'],
  ])('refuses %s', (_name, value, message) => {
    // @ts-expect-error what JavaScript users may pass
    const attempt = () => toMs(value, 'timeout')
    expect(attempt).toThrow(DefinitionError)
    expect(attempt).toThrow('timeout: expected a duration')
    expect(attempt).toThrow(message)
  })
})
