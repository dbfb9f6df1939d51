import { describe, expect, test } from 'vitest'
import { readRunRows } from '../../src/coordinator/run-rows.ts'
import { describeWithRedis } from '../setup/namespace.ts'
import {
  failure,
  granted,
  interruption,
  retryIn,
  settledAnswer,
  success,
  TAKEN_OVER,
  useRedis,
} from './driver.ts'
import { Family, GO_ON, KEPT_MS } from './family.ts'
import { node, runNode } from './graphs.ts'

const REFUSAL = { reason: '{}', flow: 'test-flow', job: '' }
const redis = useRedis()

/** Every way in which a child can end; each returns what its worker has to add. */
const ENDS: Readonly<Record<string, (family: Family) => Promise<readonly object[]>>> = {
  'the settle of a success': async ({ child }) =>
    (await (await child.openGranted()).settle('a')).toAdd,
  'the settle of a failure': async ({ child }) =>
    (await (await child.openGranted()).settle('a', failure())).toAdd,
  'a claim that finds one crash too many': async ({ child }) => {
    await child.openGranted()
    return addedBy(await child.claim(await child.deliver(0, { redelivered: true })))
  },
  'a refusal at its opening': async ({ child }) =>
    addedBy(await child.coordinator.refuse(await child.deliver(0), REFUSAL)),
  'a cancel before its opening': async ({ child }) =>
    addedBy(await child.coordinator.cancel(child.runId)),
  'a cancel while it runs': async ({ child }) => {
    await child.openGranted()
    return addedBy(await child.coordinator.cancel(child.runId))
  },
}

/** The same once more, by a delivery that finds the child ended because the answer to its end was lost. */
const REPEATS: Readonly<Record<string, (family: Family) => Promise<readonly object[]>>> = {
  'a settle, repeated': async ({ child }) => {
    const first = await child.openGranted()
    await first.settle('a')
    return (await first.settle('a')).toAdd
  },
  'a claim after a success': async ({ child }) => {
    await (await child.openGranted()).settle('a')
    return addedBy(await child.claim(await child.deliver(0, { redelivered: true })))
  },
  'a claim after a failure': async ({ child }) => {
    await (await child.openGranted()).settle('a', failure())
    return addedBy(await child.claim(await child.deliver(0, { redelivered: true })))
  },
  'a refusal, repeated': async ({ child }) => {
    await child.coordinator.refuse(await child.deliver(0), REFUSAL)
    return addedBy(await child.coordinator.refuse(await child.deliver(0), REFUSAL))
  },
  'a cancel, repeated': async ({ child }) => {
    await child.coordinator.cancel(child.runId)
    return addedBy(await child.coordinator.cancel(child.runId))
  },
}

function addedBy(answer: { status: string } | { toAdd: readonly object[] }): readonly object[] {
  return 'toAdd' in answer ? answer.toAdd : []
}

describeWithRedis('a node that waits for a child run', () => {
  const newFamily = (options: ConstructorParameters<typeof Family>[1] = {}) =>
    new Family(redis(), { maxCrashes: 0, ...options })

  test('is in no row, so that its job ends', async () => {
    const family = newFamily()
    const active = await family.parent.openGranted()
    expect(await family.awaitChild(active)).toBe('unopened')
    const settled = await active.settle('x', family.awaiting)
    expect(settled).toMatchObject({ rowLeft: 'empty', toAdd: [], grants: [], runEnd: '' })
    const run = await family.parent.read()
    const { startedAt } = active.grant('x')
    expect(run.state).toBe('waiting')
    expect(run.nodes[0]).toMatchObject({
      state: 'waiting',
      waitingFor: 'child',
      waitingForRun: family.childId,
      waitingSince: startedAt,
      startedAt,
      attempts: 1,
      dueAt: null,
    })
    expect(run.children).toMatchObject([{ node: 'x', runId: family.childId }])
    const rows = await readRunRows(redis(), family.parent.keys, family.parent.runId)
    expect(rows?.rows).toEqual([])
    expect(await family.parent.claim(active.delivery)).toEqual({ status: 'nothing', toAdd: [] })
  })

  test('says the same when it is settled twice', async () => {
    const family = newFamily({ parent: [runNode('x'), node('b')], grain: 2 })
    const active = await family.parent.openGranted()
    await family.awaitChild(active)
    const first = await active.settle('x', family.awaiting)
    const before = await family.parent.dump()
    expect(await active.settle('x', family.awaiting)).toEqual(first)
    expect(await family.parent.dump()).toEqual(before)
    const alone = newFamily()
    const waiting = await alone.wait()
    expect(await waiting.settle('x', alone.awaiting)).toMatchObject({ rowLeft: 'empty' })
  })

  test('is settled together with others of its row, whose ends leave what they leave alone', async () => {
    const family = newFamily({ parent: [runNode('x'), node('b'), runNode('c')], grain: 3 })
    const { parent } = family
    const active = await parent.openGranted({ free: 3 })
    const other = { runId: '0-other', flow: 'test-flow' }
    await family.awaitChild(active)
    await parent.coordinator.awaitChild(active.delivery, active.grant('c'), 'test-flow#1', other)
    const [x, b, c] = await Promise.all([
      active.settle('x', family.awaiting),
      active.settle('b'),
      active.settle('c', { kind: 'awaiting', child: other.runId }),
    ])
    expect([x, b, c].map(({ rowLeft }) => rowLeft)).toEqual(['more', 'more', 'empty'])
    expect(await parent.states()).toEqual({ x: 'waiting', b: 'succeeded', c: 'waiting' })
    const ended = await (await family.child.openGranted()).settle('a')
    expect(ended.toAdd).toMatchObject([{ runId: parent.runId, ticket: 1, indices: [0] }])
    const reader = await parent.claimGranted(1)
    expect(await reader.settle('x', family.reading(success()))).toMatchObject({ rowLeft: 'empty' })
    expect(await parent.field('a2')).toBe(other.runId)
    expect(await parent.field('a0')).toBeNull()
  })

  test.each(Object.entries(ENDS))('goes on with its attempt after %s', async (_name, end) => {
    const family = newFamily()
    const { startedAt } = (await family.wait()).grant('x')
    const toAdd = await end(family)

    expect(toAdd).toEqual([
      { runId: family.parent.runId, ticket: 1, indices: [0], delayMs: 0, place: null },
    ])
    expect(await family.parent.node('x')).toMatchObject({ state: 'ready', attempts: 1 })
    const active = await family.parent.claimGranted(1)
    expect(active.grant('x')).toMatchObject({ attempt: 1, crashes: 0, startedAt })
    expect(await family.awaitChild(active)).toBe('ended')
  })

  test.each(Object.entries(REPEATS))('is named again by %s', async (_name, end) => {
    const family = newFamily()
    await family.wait()
    expect(await end(family)).toMatchObject([{ runId: family.parent.runId, ticket: 1 }])
  })

  test.each(Object.entries(ENDS))(
    'has its child kept until it has read it: %s',
    async (_n, end) => {
      const family = newFamily()
      await family.wait()
      await end(family)
      const day = 86_400_000
      expect(await family.childTtl()).toBeGreaterThan(89 * day)
      const active = await family.parent.claimGranted(1)
      await active.settle('x', family.reading(success()))
      expect(await family.childTtl()).toBeLessThanOrEqual(KEPT_MS.failedMs)
      expect(await family.childTtl()).toBeGreaterThan(0)
      expect(await family.parent.field('a0')).toBeNull()
    },
  )

  test('is not named any more once its ticket was claimed', async () => {
    const family = newFamily()
    const child = await family.waitForLive()
    await child.settle('a')
    await family.parent.claimGranted(1)
    expect((await child.settle('a')).toAdd).toEqual([])
    expect(await family.child.claim(child.delivery)).toEqual({ status: 'nothing', toAdd: [] })
  })

  describe('whose child ends first', () => {
    test('goes on at once, in the same attempt', async () => {
      const family = newFamily()
      const active = await family.parent.openGranted()
      await family.awaitChild(active)
      const ended = await (await family.child.openGranted()).settle('a')
      expect(ended.toAdd).toEqual([])
      const settled = await active.settle('x', family.awaiting, GO_ON)
      expect(settled).toMatchObject({ rowLeft: 'more', grants: [{ index: 0, attempt: 1 }] })
      expect(await family.awaitChild(active)).toBe('ended')
      await active.settle('x', success(), GO_ON)
    })

    test('stays ready in its row where no slot is free', async () => {
      const family = newFamily()
      const active = await family.parent.openGranted()
      await family.awaitChild(active)
      await (await family.child.openGranted()).settle('a')
      const settled = await active.settle('x', family.awaiting)
      expect(settled).toMatchObject({ rowLeft: 'more', grants: [] })
      const claim = granted(await family.parent.claim(active.delivery))
      const { startedAt } = active.grant('x')
      expect(claim.grants).toMatchObject([{ index: 0, attempt: 1, startedAt }])
    })

    test('finds it kept after a crash', async () => {
      const family = new Family(redis(), { maxCrashes: 1 })
      await family.awaitChild(await family.parent.openGranted())
      await (await family.child.openGranted()).settle('a')
      expect(await family.childTtl()).toBeGreaterThan(KEPT_MS.failedMs)
      const again = await family.parent.claimGranted(0, { redelivered: true })
      expect(again.grant('x')).toMatchObject({ attempt: 2, crashes: 1 })
      expect(await family.awaitChild(again)).toBe('ended')
    })
  })

  test('keeps its attempt while its ticket waits for a slot, and is named no more', async () => {
    const family = newFamily()
    const child = await family.waitForLive()
    await child.settle('a')
    const delivery = await family.parent.deliver(1)
    expect(granted(await family.parent.claim(delivery, 0)).grants).toEqual([])
    expect((await child.settle('a')).toAdd).toEqual([])
    const { startedAt } = await family.parent.node('x')
    const { grants } = granted(await family.parent.claim(delivery))
    expect(grants).toMatchObject([{ attempt: 1, startedAt }])
  })

  test('waits for the same child after a crash before its job was added', async () => {
    const family = new Family(redis(), { maxCrashes: 1 })
    await family.awaitChild(await family.parent.openGranted())
    const again = await family.parent.claimGranted(0, { redelivered: true })
    expect(await family.awaitChild(again)).toBe('unopened')
    await again.settle('x', family.awaiting)
    const ended = await (await family.child.openGranted()).settle('a')
    expect(ended.toAdd).toMatchObject([{ runId: family.parent.runId }])
  })

  test('goes on in a new attempt when the one that read the child was lost or interrupted', async () => {
    const family = new Family(redis(), { maxCrashes: 1 })
    await (await family.waitForLive()).settle('a')
    await family.parent.claimGranted(1)
    const again = await family.parent.claimGranted(1, { redelivered: true })
    expect(again.grant('x').attempt).toBe(2)
    await again.settle('x', interruption())
    const third = granted(await family.parent.claim(again.delivery))
    expect(third.grants).toMatchObject([{ attempt: 3 }])
    const { log } = await family.parent.node('x')
    expect(log.map(({ attempt, kind }) => [attempt, kind])).toEqual([
      [1, 'crash'],
      [2, 'interrupted'],
    ])
  })

  test('is not woken by a child that it has read, whatever is done with that', async () => {
    const family = newFamily()
    const child = await family.waitForLive()
    await child.settle('a', failure())
    const reader = await family.parent.claimGranted(1)
    await reader.settle('x', family.reading(retryIn(60_000)))
    const retried = await family.child.claimGranted(0, { retriedByHand: true })
    expect((await retried.settle('a')).toAdd).toEqual([])
    expect(await family.childTtl()).toBeLessThanOrEqual(KEPT_MS.succeededMs)
    expect(await family.parent.node('x')).toMatchObject({ state: 'retrying' })
  })

  test('waits on when its child was retried by hand before it was read', async () => {
    const family = newFamily()
    const child = await family.waitForLive()
    await child.settle('a', failure())
    const retried = await family.child.claimGranted(0, { retriedByHand: true })
    expect(await family.childTtl()).toBe(-1)
    const active = await family.parent.claimGranted(1)
    expect(await family.awaitChild(active)).toBe('live')
    await active.settle('x', family.awaiting)
    expect((await retried.settle('a')).toAdd).toMatchObject([{ ticket: 2 }])
  })

  test('is parked by a pause when its child ends, and goes on in the same attempt', async () => {
    const family = newFamily()
    const child = await family.waitForLive()
    await family.parent.coordinator.pause(family.parent.runId)
    expect((await child.settle('a')).toAdd).toEqual([])
    expect(await family.parent.node('x')).toMatchObject({ waitingFor: 'pause' })
    const { startedAt } = await family.parent.node('x')
    const resumed = await family.parent.coordinator.resume(family.parent.runId)
    expect(resumed).toMatchObject({ toAdd: [{ ticket: 1 }] })
    const active = await family.parent.claimGranted(1)
    expect(active.grant('x')).toMatchObject({ attempt: 1, startedAt })
  })

  test('is parked by a pause that comes after its child’s end, and goes on likewise', async () => {
    const family = newFamily()
    await (await family.waitForLive()).settle('a')
    await family.parent.coordinator.pause(family.parent.runId)
    await family.parent.claim(await family.parent.deliver(1))
    expect(await family.parent.node('x')).toMatchObject({ waitingFor: 'pause', attempts: 1 })
    await family.parent.coordinator.resume(family.parent.runId)
    expect((await family.parent.claimGranted(2)).grant('x').attempt).toBe(1)
  })

  test('can be given to a new ticket by the reconciler, and keeps its attempt', async () => {
    const family = newFamily()
    await family.wait()
    const { parent } = family
    const packed = (await parent.field('n0')) ?? ''
    const adopted = await parent.coordinator.adopt(parent.runId, 0, packed)
    expect(adopted).toMatchObject({ status: 'ok', toAdd: [{ ticket: 1, indices: [0] }] })
    const active = await parent.claimGranted(1)
    expect(active.grant('x').attempt).toBe(1)
    expect(await family.awaitChild(active)).toBe('unopened')
  })

  test('learns that its child is gone', async () => {
    const family = newFamily()
    await family.waitForLive()
    const { parent, child } = family
    await redis().del(child.keys.run(child.runId))
    await parent.coordinator.adopt(parent.runId, 0, (await parent.field('n0')) ?? '')
    expect(await family.awaitChild(await parent.claimGranted(1))).toBe('gone')
  })

  test('starts no child under an older lease, when the same attempt goes on under a newer one', async () => {
    const family = newFamily()
    const old = await family.parent.openGranted()
    await family.awaitChild(old)
    await (await family.child.openGranted()).settle('a')
    await old.settle('x', family.awaiting)
    const again = await family.parent.claimGranted(0, { redelivered: true })
    expect(again.grant('x').attempt).toBe(1)
    expect(await family.awaitChild(old)).toBe('superseded')
    expect(await family.awaitChild(again)).toBe('ended')
  })

  test('starts no child under a lease that is not its own, nor in a run that is over', async () => {
    const family = new Family(redis(), { maxCrashes: 1 })
    const lost = await family.parent.openGranted()
    const active = await family.parent.claimGranted(0, { redelivered: true })
    const before = await family.parent.dump()
    expect(await family.awaitChild(lost)).toBe('superseded')
    await family.parent.coordinator.cancel(family.parent.runId)
    expect(await family.awaitChild(active)).toBe('cancelled')
    await redis().del(family.parent.keys.run(family.parent.runId))
    expect(await family.awaitChild(active)).toBe('no_run')
    expect(Object.keys(before)).not.toContain(family.child.keys.run(family.childId))
    expect(await redis().exists(family.child.keys.run(family.childId))).toBe(0)
  })

  test('leaves a child to its usual retention when it fails without reading it', async () => {
    const family = newFamily()
    const { parent } = family
    await family.awaitChild(await parent.openGranted())
    const child = await family.child.openGranted()
    const lost = await parent.claim(await parent.deliver(0, { redelivered: true }))
    expect(lost.status).toBe('ended')
    expect((await parent.read()).state).toBe('failed')
    expect((await child.settle('a')).toAdd).toEqual([])
    expect(await family.childTtl()).toBeLessThanOrEqual(KEPT_MS.succeededMs)
  })
})

describeWithRedis('a node that goes on after its child in another ticket', () => {
  test('is left alone by its first delivery, which still holds others and says again that it waits', async () => {
    const family = new Family(redis(), { parent: [runNode('x'), node('b')], grain: 2 })
    const { parent } = family
    const old = await parent.openGranted({ free: 2 })
    await family.awaitChild(old)
    await old.settle('x', family.awaiting)
    await (await family.child.openGranted()).settle('a')
    const reader = await parent.claimGranted(1)
    const before = await parent.dump()
    expect(await parent.settle(old.delivery, 'x', family.awaiting, 1)).toEqual(TAKEN_OVER)
    expect(await family.awaitChild(old)).toBe('superseded')
    expect(await parent.dump()).toEqual(before)
    await reader.settle('x', family.reading(success()))
    expect(await old.settle('b')).toMatchObject({ rowLeft: 'empty', runEnd: 'succeeded' })
  })
})

describeWithRedis('a child run whose node fails without reading it', () => {
  const openWithOther = async () => {
    const family = new Family(redis(), { parent: [runNode('x'), node('b')], maxCrashes: 0 })
    await family.awaitChild(await family.parent.openGranted())
    return family
  }
  const lose = ({ parent }: Family) =>
    parent.deliver(0, { redelivered: true }).then((delivery) => parent.claim(delivery))

  test('is left to its usual retention if it has ended, although its parent goes on', async () => {
    const family = await openWithOther()
    await (await family.child.openGranted()).settle('a')
    expect(await family.childTtl()).toBeGreaterThan(KEPT_MS.failedMs)
    expect((await lose(family)).status).toBe('ended')
    expect((await family.parent.read()).state).toBe('running')
    expect(await family.childTtl()).toBeLessThanOrEqual(KEPT_MS.succeededMs)
  })

  test('is left to its usual retention if it ends later', async () => {
    const family = await openWithOther()
    const child = await family.child.openGranted()
    await lose(family)
    expect((await child.settle('a')).toAdd).toEqual([])
    expect(await family.childTtl()).toBeLessThanOrEqual(KEPT_MS.succeededMs)
  })

  test('is read after all when the node is retried by hand', async () => {
    const family = await openWithOther()
    const child = await family.child.openGranted()
    await lose(family)
    await child.settle('a')
    const retried = await family.parent.claimGranted(0, { retriedByHand: true })
    expect(await family.awaitChild(retried)).toBe('ended')
    await retried.settle('x', family.reading(success()))
    expect(await family.parent.field('a0')).toBeNull()
  })
})

describeWithRedis('a child run that a node waits for', () => {
  test('opens also when its job was tried long ago: it can’t have expired', async () => {
    const family = new Family(redis())
    await family.wait()
    const claim = await family.child.open(await family.child.deliver(0), { fresh: false })
    expect(claim.status).toBe('granted')
    expect(await family.childTtl()).toBe(-1)
  })

  test('is forgotten after a while if it is never opened', async () => {
    const family = new Family(redis())
    await family.wait()
    expect(await family.childTtl()).toBeGreaterThan(0)
    expect(await redis().hgetall(family.child.keys.run(family.childId))).toEqual({
      wt: `${family.parent.runId}|0`,
    })
  })
})

describeWithRedis('cancel of a run that waits for a child', () => {
  test('cancels a child that runs, and its job ends', async () => {
    const family = new Family(redis())
    const child = await family.waitForLive()
    const { parent } = family
    expect(await parent.coordinator.cancel(parent.runId)).toMatchObject({ toAdd: [] })
    expect(await parent.node('x')).toMatchObject({ state: 'cancelled', waitingForRun: null })
    expect((await family.child.read()).state).toBe('cancelled')
    expect(await family.child.settle(child.delivery, 'a', success(), 1)).toEqual({
      status: 'refused',
      reason: 'cancelled',
    })
    expect(await family.childTtl()).toBeLessThanOrEqual(KEPT_MS.failedMs)
    expect(await redis().zscore(parent.keys.live, family.childId)).toBeNull()
  })

  test('cancels a child that nobody has opened, also while its job is being added', async () => {
    const family = new Family(redis())
    await family.awaitChild(await family.parent.openGranted())
    await family.parent.coordinator.cancel(family.parent.runId)
    expect(await family.child.open(await family.child.deliver(0))).toEqual({
      status: 'refused',
      reason: 'cancelled',
    })
  })

  test('leaves a child that has ended as it is, and ends its being kept', async () => {
    const family = new Family(redis())
    await (await family.waitForLive()).settle('a')
    await family.parent.coordinator.cancel(family.parent.runId)
    expect((await family.child.read()).state).toBe('succeeded')
    expect(await family.childTtl()).toBeLessThanOrEqual(KEPT_MS.succeededMs)
  })

  test('goes down the generations', async () => {
    const family = new Family(redis(), { child: [runNode('x')] })
    const middle = await family.waitForLive()
    const { namespace } = family.parent
    const younger = new Family(redis(), { namespace, runId: family.childId })
    const grandchild = { runId: younger.childId, flow: 'test-flow' }
    await family.child.coordinator.awaitChild(
      middle.delivery,
      middle.grant('x'),
      'test-flow#1',
      grandchild,
    )
    await middle.settle('x', { kind: 'awaiting', child: grandchild.runId })
    await family.parent.coordinator.cancel(family.parent.runId)
    const hash = family.parent.keys.run(grandchild.runId)
    expect(await redis().hget(hash, 's')).toBe('C')
    expect(
      settledAnswer(await middle.settle('x', { kind: 'awaiting', child: grandchild.runId })).toAdd,
    ).toEqual([])
  })
})
