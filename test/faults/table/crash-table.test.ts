import { writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, describe, expect, test } from 'vitest'
import type { RunHandle, RunSnapshot } from '../../../src/index.ts'
import { describeWithRedis, redisUrl } from '../../setup/namespace.ts'
import {
  eventually,
  kindsOf,
  nodeOf,
  type OnTestFinished,
  openScene,
  QUICK_RECOVERY,
  runEnd,
  type Scene,
  TEST_TIMEOUT_MS,
} from '../../worker/scene.ts'
import { expectAgreement } from '../harness/agreement.ts'
import { type Effect, EffectsFile } from '../harness/effects.ts'
import { FAULTS, type FaultName, LEASE_MS, SUBJECTS, type SubjectName } from './cells.ts'
import { type Given, type TableFlow, tableFlows } from './flows.ts'
import { StruckWorker } from './struck-worker.ts'

/** The nodes whose attempt 1 is lost, per cell. All others take one attempt. */
const LOST: Readonly<Record<SubjectName, Readonly<Record<FaultName, readonly string[]>>>> = {
  single: { claim: [], handler: ['m'], settled: [], finish: [], stop: ['m'] },
  company: {
    claim: [],
    handler: ['f1', 'f2', 'f3'],
    settled: ['f2', 'f3'],
    finish: [],
    stop: ['f1', 'f2', 'f3'],
  },
  // Before the settle of `b`, which would grant `c`, it is `b` that is lost.
  continuation: { claim: ['b'], handler: ['c'], settled: [], finish: [], stop: ['c'] },
}

const CELLS = Object.keys(SUBJECTS).flatMap((subject) =>
  Object.keys(FAULTS).map((fault) => ({
    // Trust border: the keys of the two tables.
    subject: subject as SubjectName,
    fault: fault as FaultName,
  })),
)

const WARM_UP: Given = { purpose: 'warm-up' }
const STRUCK: Given = { purpose: 'struck' }

/** One line of the table that is printed. */
interface Line {
  readonly node: string
  readonly fault: string
  readonly run: string
  readonly attempts: string
  readonly 'settled, run again': number
  readonly 'started twice': number
  readonly 'ended after': string
}

/** One cell while it is worked on. */
interface Cell {
  readonly scene: Scene
  readonly effects: EffectsFile
  readonly struck: StruckWorker
  readonly flow: TableFlow
  readonly release: string
  startHealthyWorker(): Promise<void>
}

async function openCell(
  subject: SubjectName,
  fault: FaultName,
  onTestFinished: OnTestFinished,
): Promise<Cell> {
  const scene = openScene(onTestFinished)
  const effects = EffectsFile.create()
  const release = `${effects.path}-release`
  const flows = tableFlows(effects)
  const struck = new StruckWorker({
    redisUrl: redisUrl(),
    namespace: scene.namespace,
    effects: effects.path,
    subject,
    fault,
    release,
  })
  onTestFinished(async () => {
    await struck.kill()
    effects.remove()
  })
  await struck.says('ready')
  return {
    scene,
    effects,
    struck,
    release,
    flow: flows[subject],
    startHealthyWorker: async () => {
      await scene.startWorker({
        flows: Object.values(flows),
        ...QUICK_RECOVERY,
        queues: { default: { concurrency: 5 }, side: { concurrency: 5 } },
      })
    },
  }
}

/** Lets the worker run until it has learned that the nodes of a company are short. */
async function warmUp({ scene, struck, flow }: Cell): Promise<void> {
  await eventually(async () => {
    const runs = await Promise.all(
      Array.from({ length: 10 }, () => scene.producer.enqueue(flow, WARM_UP)),
    )
    for (const run of runs) await runEnd(run)
    const before = struck.granted.length
    await runEnd(await scene.producer.enqueue(flow, WARM_UP))
    expect(struck.granted.slice(before)).toHaveLength(1)
  })
  struck.granted.length = 0
}

/** The nodes in the rows of the run, row by row, as Redis has them. */
async function rowsOf({ scene, flow }: Cell, { id }: RunHandle<string>): Promise<string[][]> {
  const fields = await scene.redis.hgetall(`${scene.prefix}/run:${id}`)
  const rows = Object.entries(fields).filter(([name]) => /^t\d+$/.test(name))
  return rows.map(([, row]) =>
    (row.split('|').at(-1) ?? '')
      .split(',')
      .map((token) => flow.graph.nodes[Number(token.replace(/^\D/, ''))]?.key ?? token),
  )
}

/** Makes sure that the fault struck what it was meant for. */
function expectSubject(subject: SubjectName, fault: FaultName, { struck }: Cell): void {
  const { nodes, grantedBy } = SUBJECTS[subject]
  const own = struck.granted.filter((grant) => nodes.some((node) => grant.nodes.includes(node)))
  if (fault === 'claim') {
    expect(own, 'nothing of the subject was granted').toEqual([])
    return
  }
  const ticket = subject === 'continuation' ? 0 : 1
  expect(own, 'the subject was granted at once').toEqual([
    { by: grantedBy, ticket, nodes: [...nodes] },
  ])
}

/** Strikes, and lets a healthy worker end the run. Says when the fault was over. */
async function strike(fault: FaultName, cell: Cell): Promise<number> {
  const { struck } = cell
  if (fault !== 'stop') {
    await struck.kill()
    const killedAt = Date.now()
    await cell.startHealthyWorker()
    return killedAt
  }
  struck.send('SIGSTOP')
  const stoppedAt = Date.now()
  await Promise.all([cell.startHealthyWorker(), sleep(3 * LEASE_MS)])
  return stoppedAt
}

/** The stopped worker goes on where it stood: each of its attempts is refused or aborted, and nothing changes. */
async function expectHarmless(cell: Cell, run: RunHandle<string>, nodes: readonly string[]) {
  const before = await runEnd(run)
  writeFileSync(cell.release, '')
  cell.struck.send('SIGCONT')
  await eventually(() => {
    const ended = cell.effects
      .read()
      .filter(({ kind }) => kind === 'refused' || kind === 'aborted')
      .map(({ node }) => node)
    expect([...new Set(ended)].sort()).toEqual(nodes)
  })
  const settled = cell.effects.of('settled')
  for (const node of nodes) expect(settled).not.toContain(`${node}#1`)
  expect(await runEnd(run)).toEqual({ ...before, graph: expect.anything() })
}

/** Starts of nodes that came after a settle of theirs was accepted as a success. */
function startsAfterSettle(effects: readonly Effect[]): Effect[] {
  return effects.filter(
    ({ kind, node }, i) =>
      kind === 'start' &&
      effects.slice(0, i).some((other) => other.kind === 'settled' && other.node === node),
  )
}

function startedTwice(effects: readonly Effect[]): string[] {
  const starts = effects.filter(({ kind }) => kind === 'start')
  const places = starts.map(({ node, attempt }) => `${node}#${attempt}`)
  return places.filter((place, i) => places.indexOf(place) < i)
}

function attemptsOf(run: RunSnapshot): string {
  const nodes = run.nodes.map(({ key, attempts, log }) => {
    const kinds = log.map(({ kind }) => kind).join(' ')
    return `${key} ${attempts}${kinds === '' ? '' : ` (${kinds})`}`
  })
  return nodes.join(', ')
}

const lines = new Map<string, Line>()

afterAll(() => {
  const ordered = CELLS.flatMap(({ subject, fault }) => lines.get(`${subject} ${fault}`) ?? [])
  if (ordered.length > 0) console.table(ordered)
})

describeWithRedis(
  'crash table',
  () => {
    describe.each(Object.keys(SUBJECTS))('%s', { concurrent: true }, (name) => {
      test.for(CELLS.filter(({ subject }) => subject === name))(
        '$subject, $fault: the run succeeds, and nothing settled is executed again',
        { timeout: TEST_TIMEOUT_MS },
        async ({ subject, fault }, { onTestFinished }) => {
          const cell = await openCell(subject, fault, onTestFinished)
          if (subject === 'company') await warmUp(cell)
          const run = await cell.scene.producer.enqueue(cell.flow, STRUCK)
          await cell.struck.says('reached')
          const rows = await rowsOf(cell, run)
          const faultAt = await strike(fault, cell)
          const ended = await runEnd(run)
          // What the stopped handlers do when they wake is no part of the history.
          const effectsAtEnd = cell.effects.read()
          if (fault === 'stop') await expectHarmless(cell, run, SUBJECTS[subject].nodes)

          const effects = cell.effects.read()
          const repeated = startsAfterSettle(effects)
          const twice = startedTwice(effects)
          lines.set(`${subject} ${fault}`, {
            node: SUBJECTS[subject].name,
            fault: FAULTS[fault],
            run: ended.state,
            attempts: attemptsOf(ended),
            'settled, run again': repeated.length,
            'started twice': twice.length,
            'ended after': `${((ended.endedAt ?? 0) - faultAt) / 1_000} s`,
          })

          expectSubject(subject, fault, cell)
          if (subject === 'company' && fault === 'claim') {
            expect(rows, 'one ticket holds the company').toEqual([['f1', 'f2', 'f3']])
          }
          expect(ended.state).toBe('succeeded')
          expect(repeated).toEqual([])
          expect(twice).toEqual([])
          for (const { key } of ended.nodes) {
            const isLost = LOST[subject][fault].includes(key)
            expect(kindsOf(ended, key), `the history of ${key}`).toEqual(isLost ? ['crash'] : [])
            expect(nodeOf(ended, key).attempts, `attempts of ${key}`).toBe(isLost ? 2 : 1)
          }
          expectAgreement(ended, effectsAtEnd)
        },
      )
    })
  },
  { needs: 'real' },
)
