import { expect } from 'vitest'
import type { NodeSnapshot, RunSnapshot } from '../../../src/index.ts'
import type { Effect } from './effects.ts'

/**
 * Checks a run that has ended against what its handlers really did (I2, I3, I4, I6, I12):
 * attempts are numbered without gaps and started at most once; nothing starts after a settled success; a settled
 * attempt has no crash entry; every start and every end is in the history.
 */
export function expectAgreement(run: RunSnapshot, effects: readonly Effect[]): void {
  const ofRun = effects.filter((effect) => effect.run === run.id)
  const starts = ofRun.filter(({ kind }) => kind === 'start').map(place)
  expect(starts, 'every attempt is started at most once').toEqual([...new Set(starts)])
  for (const node of run.nodes) {
    if (node.kind !== 'task') continue
    expectHistory(node)
    expectEffects(
      node,
      ofRun.filter((effect) => effect.node === node.key),
    )
  }
}

function place({ node, attempt }: Effect): string {
  return `${node}#${attempt}`
}

function expectHistory(node: NodeSnapshot): void {
  const recorded = node.log.filter(({ kind }) => kind !== 'retried').map(({ attempt }) => attempt)
  if (node.state === 'succeeded') recorded.push(node.attempts)
  const numbers = Array.from({ length: node.attempts }, (_, i) => i + 1)
  expect(recorded, `the attempts of ${node.key} are numbered without gaps`).toEqual(numbers)
  for (const { attempt, startedAt, endedAt } of node.log) {
    expect(endedAt, `${node.key}#${attempt} ends after its start`).toBeGreaterThanOrEqual(startedAt)
  }
}

function expectEffects(node: NodeSnapshot, effects: readonly Effect[]): void {
  const attemptsOf = (kind: Effect['kind']) =>
    effects.filter((effect) => effect.kind === kind).map(({ attempt }) => attempt)
  const kindOf = new Map(node.log.map(({ attempt, kind }) => [attempt, kind]))
  for (const attempt of attemptsOf('start')) {
    expect(attempt, `${node.key}#${attempt} was granted`).toBeLessThanOrEqual(node.attempts)
  }
  for (const attempt of attemptsOf('settled')) {
    expect(kindOf.get(attempt), `${node.key}#${attempt} was settled`).not.toBe('crash')
  }
  for (const [attempt, kind] of kindOf) {
    if (kind !== 'error') continue
    expect(attemptsOf('start'), `${node.key}#${attempt} failed`).toContain(attempt)
    expect(attemptsOf('done'), `${node.key}#${attempt} failed`).not.toContain(attempt)
  }
  if (node.state === 'succeeded') {
    expect(attemptsOf('start').at(-1), `the last start of ${node.key}`).toBe(node.attempts)
    expect(attemptsOf('done').at(-1), `the last end of ${node.key}`).toBe(node.attempts)
  }
}
