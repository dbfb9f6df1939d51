import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { RunHandle } from '../../../src/index.ts'
import { type Program, startProgram } from '../../cli/fixtures.ts'
import { describeWithRedis, redisUrl } from '../../setup/namespace.ts'
import { eventually, nodeOf, openScene, runEnd, runWith } from '../../worker/scene.ts'
import { type Effect, EffectsFile } from '../harness/effects.ts'
import { bookTask } from './book.ts'

const TEST_TIMEOUT_MS = 180_000
const book = bookTask(async () => {})

/** Bookings of one account, worked on by processes that may be killed. */
function openLedger(onTestFinished: (clean: () => Promise<void>) => void) {
  const scene = openScene(onTestFinished)
  const effects = EffectsFile.create()
  onTestFinished(async () => effects.remove())
  const { namespace } = scene
  const orders = { redisUrl: redisUrl(), namespace, effects: effects.path }
  return {
    effects,
    startWorker: async (point = ''): Promise<Program> => {
      const given = JSON.stringify({ ...orders, point })
      const program = startProgram('test/faults/locks/lock-process.ts', [given])
      await program.outputMatching(/ready/)
      return program
    },
    enqueue: (n: number, { account = 'a', ms = 1, hangs = false } = {}) =>
      scene.producer.enqueue(book, { account, n, ms, hangs }),
  }
}

/** Those that began while another was at it, though its process lived. */
function overlaps(effects: readonly Effect[], dead: ReadonlySet<number> = new Set()): string[] {
  const found: string[] = []
  let open: Effect | null = null
  for (const effect of effects) {
    if (effect.kind !== 'start') open = open && isSame(open, effect) ? null : open
    else {
      if (open && !dead.has(open.pid)) found.push(`${name(effect)} began within ${name(open)}`)
      open = effect
    }
  }
  return found
}

function isSame(a: Effect, b: Effect): boolean {
  return a.run === b.run && a.attempt === b.attempt
}

function name({ node, attempt, pid }: Effect): string {
  return `${node}#${attempt} (${pid})`
}

async function ended(runs: readonly RunHandle[]): Promise<void> {
  for (const run of runs) await run.result({ timeout: '2m' })
}

describeWithRedis('a lock', () => {
  test('is one attempt’s at a time over three processes, and all of them come to it', {
    timeout: TEST_TIMEOUT_MS,
  }, async ({ onTestFinished }) => {
    const ledger = openLedger(onTestFinished)
    await Promise.all([1, 2, 3].map(() => ledger.startWorker()))
    const runs = await Promise.all(
      Array.from({ length: 90 }, (_, n) => ledger.enqueue(n, { account: `account ${n % 2}` })),
    )
    await ended(runs)
    const done = ledger.effects.read()
    for (const parity of [0, 1]) {
      const ofAccount = done.filter(({ node }) => Number(node) % 2 === parity)
      expect(overlaps(ofAccount)).toEqual([])
      expect(ofAccount.filter(({ kind }) => kind === 'done')).toHaveLength(45)
    }
    // More than one process took part: else nothing was shown.
    expect(new Set(done.map(({ pid }) => pid)).size).toBeGreaterThan(1)
  })

  test('of a killed process goes to the next when its lease has ended', {
    timeout: TEST_TIMEOUT_MS,
  }, async ({ onTestFinished }) => {
    const ledger = openLedger(onTestFinished)
    const holder = await ledger.startWorker()
    const first = await ledger.enqueue(0, { hangs: true })
    await eventually(() => expect(ledger.effects.of('start')).toEqual(['0#1']))
    await ledger.startWorker()
    const others = []
    for (const n of [1, 2, 3]) {
      const run = await ledger.enqueue(n)
      await runWith(run, 'book', 'waiting')
      others.push(run)
    }
    // Longer than the lease: it is renewed.
    await sleep(2_500)
    expect(ledger.effects.of('start')).toEqual(['0#1'])
    holder.process.kill('SIGKILL')
    await ended([first, ...others])
    expect(overlaps(ledger.effects.read(), new Set([holder.pid]))).toEqual([])
    expect(ledger.effects.of('done').sort()).toEqual(['0#2', '1#1', '2#1', '3#1'])
    expect(nodeOf(await runEnd(first), 'book')).toMatchObject({ attempts: 2, crashes: 1 })
  })

  test('of a frozen process goes to the next, and its handler is told when it wakes', {
    timeout: TEST_TIMEOUT_MS,
  }, async ({ onTestFinished }) => {
    const ledger = openLedger(onTestFinished)
    const holder = await ledger.startWorker()
    const first = await ledger.enqueue(0, { hangs: true })
    await eventually(() => expect(ledger.effects.of('start')).toEqual(['0#1']))
    await ledger.startWorker()
    const second = await ledger.enqueue(1)
    await runWith(second, 'book', 'waiting')
    holder.process.kill('SIGSTOP')
    await ended([second])
    holder.process.kill('SIGCONT')
    await eventually(() => expect(ledger.effects.of('aborted')).toEqual(['0#1']))
    await ended([first])
    expect(ledger.effects.of('done').sort()).toEqual(['0#2', '1#1'])
  })

  test.for([
    ['has to wait, and has not been parked', 'waits'],
    ['has taken it, and has not begun', 'taken'],
    ['was settled, and has not given it back', 'settled'],
    ['gave it back, and has not told the next', 'released'],
    ['told the next, and has not added its job', 'woken'],
  ] as const)(
    'goes on when the process of an attempt dies that %s',
    {
      timeout: TEST_TIMEOUT_MS,
    },
    async ([, point], { onTestFinished }) => {
      const ledger = openLedger(onTestFinished)
      const struck = await ledger.startWorker(point)
      const runs = await Promise.all([0, 1, 2, 3].map((n) => ledger.enqueue(n, { ms: 200 })))
      await struck.outputMatching(/reached/)
      await ledger.startWorker()
      struck.process.kill('SIGKILL')
      await ended(runs)
      const effects = ledger.effects.read()
      expect(overlaps(effects, new Set([struck.pid]))).toEqual([])
      const done = effects.filter(({ kind }) => kind === 'done').map(({ node }) => node)
      expect(done.toSorted()).toEqual(['0', '1', '2', '3'])
    },
  )

  test('is held by one at a time under a series of kills, and every run ends', {
    timeout: TEST_TIMEOUT_MS,
  }, async ({ onTestFinished }) => {
    const ledger = openLedger(onTestFinished)
    const dead = new Set<number>()
    const workers = await Promise.all([1, 2, 3, 4].map(() => ledger.startWorker()))
    const runs = await Promise.all(
      Array.from({ length: 60 }, (_, n) => ledger.enqueue(n, { ms: 20 })),
    )
    while (workers.length > 1) {
      const before = ledger.effects.of('done').length
      await eventually(() => expect(ledger.effects.of('done').length).toBeGreaterThan(before + 4))
      // Whoever is at it, if there is one.
      const last = ledger.effects.read().at(-1)
      const victim = workers.findIndex(({ pid }) => pid === last?.pid)
      const [killed] = workers.splice(Math.max(0, victim), 1)
      if (!killed) throw new Error('more than one worker runs')
      dead.add(killed.pid)
      killed.process.kill('SIGKILL')
    }
    await ended(runs)
    const done = ledger.effects.read()
    expect(overlaps(done, dead)).toEqual([])
    expect(new Set(done.filter(({ kind }) => kind === 'done').map(({ run }) => run)).size).toBe(60)
  })
})
