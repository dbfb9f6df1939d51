import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { findExecutable } from '../../src/cli/redis/executables.ts'
import { thisMachine } from '../../src/cli/redis/machine.ts'
import { ShardKeys } from '../../src/coordinator/keys.ts'
import {
  FRAGMENTS,
  type Fragment,
  loadMoves,
  loadRerunMoves,
  loadSharedMoves,
  RERUN_FRAGMENTS,
  readFragment,
  SHARED_FRAGMENTS,
} from '../../src/coordinator/scripts.ts'
import { SharedLimits } from '../../src/coordinator/shared-limits.ts'
import { describeWithRedis, testNamespace } from '../setup/namespace.ts'
import { Driver, failure, noHandler, retryIn, tickets, useRedis } from './driver.ts'
import { groupOf, inMap, mapOf, node, runNode } from './graphs.ts'
import { createdRerun, rerunsOf } from './rerun-driver.ts'

const redis = useRedis()
const ALL_FRAGMENTS = [...new Set([...FRAGMENTS, ...RERUN_FRAGMENTS, ...SHARED_FRAGMENTS])]
const LUA = fileURLToPath(new URL('../../src/coordinator/lua', import.meta.url))

describe('ShardKeys', () => {
  test('puts the hash tag first, and keeps our keys apart from those of BullMQ', () => {
    const keys = new ShardKeys('shop', 3)
    expect(keys.prefix).toBe('{shop:3}')
    expect(keys.live).toBe('{shop:3}/live')
    expect(keys.duties).toBe('{shop:3}/duties')
    expect(keys.run('r')).toBe('{shop:3}/run:r')
    expect(keys.out('r')).toBe('{shop:3}/out:r')
    expect(keys.log('r')).toBe('{shop:3}/log:r')
    expect(keys.graph('h')).toBe('{shop:3}/graph:h')
    expect(keys.job('mail', '7')).toBe('{shop:3}:mail:7')
  })
})

describeWithRedis(
  'every key and channel that a move touches',
  () => {
    test.each([
      ['Functions', '+@all'],
      ['plain scripts', '+@all -fcall'],
    ])('has the hash tag of the shard, by %s', async (_, commands) => {
      const namespace = testNamespace()
      const { prefix } = new ShardKeys(namespace, 0)
      // Redis itself refuses whatever this user's scripts touch besides.
      const patterns = [`~${prefix}/*`, `~${prefix}:*`, `&${prefix}/*`]
      await redis().acl('SETUSER', namespace, 'on', '>secret', ...commands.split(' '), ...patterns)
      const limited = redis().duplicate({ username: namespace, password: 'secret' })
      try {
        await expect(limited.get('elsewhere')).rejects.toThrow(/NOPERM/)
        await driveTicketMoves(new Driver(limited, NODES, { maxCrashes: 1, namespace }))
        await driveRunMoves(new Driver(limited, [...NODES, runNode('x')], { namespace }))
        await driveMap(new Driver(limited, MAP, { namespace }))
        await driveRerunMoves(new Driver(limited, NODES, { namespace }))
        await driveSharedMoves(new SharedLimits(limited, new ShardKeys(namespace, 0), 1_000))
      } finally {
        limited.disconnect()
        await redis().acl('DELUSER', namespace)
      }
    })
  },
  { needs: 'real' },
)

const NODES = [
  node('a'),
  node('b', ['a']),
  node('c', ['a', 'b']),
  node('alert', ['a'], { trigger: 'any_failed' }),
]

const MAP = [mapOf('m[]'), ...inMap('m[]', [node('m[*]')]), groupOf('m', 'm[]', 'm[*]')]

async function driveTicketMoves(driver: Driver): Promise<void> {
  await driver.openGranted()
  const first = await driver.openGranted({ redelivered: true })
  await first.settle('a', noHandler(60_000))
  await driver.passTime('a', 0)
  const again = await driver.claimGranted(0, { redelivered: true })
  const a = driver.indexOf('a')
  expect(await driver.coordinator.wake(driver.runId, a, 9)).toMatchObject({ reason: 'changed' })
  await again.settle('a', retryIn(0, { queue: 'slow', priority: 1 }))
  await (await driver.claimGranted(1)).settle('a', failure())
  const retried = await driver.claim(await driver.deliver(1, { retriedByHand: true }))
  if (retried.status === 'granted') throw new Error('the alert has a ticket: no retry in place')
  await (await driver.claimGranted(2)).settle('alert')
  const delivery = { ...(await driver.deliver(0)), runId: 'refused' }
  await driver.coordinator.refuse(delivery, { reason: '{}', flow: '', job: '' })
}

/** Pause and resume, what the reconciler does, child runs, and the cancel that reaches them. */
async function driveRunMoves(driver: Driver): Promise<void> {
  const { coordinator, runId, graph } = driver
  const a = await driver.openGranted()
  const x = await driver.claimGranted(1)
  const child = { runId: 'child', flow: 'f' }
  expect(await coordinator.recordChild(runId, 0, 'k', child)).toMatchObject({ status: 'ok' })
  const awaited = await coordinator.awaitChild(x.delivery, x.grant('x'), 'f#1', child)
  expect(awaited).toEqual({ status: 'unopened' })
  await x.settle('x', { kind: 'awaiting', child: child.runId })
  await coordinator.pause(runId)
  await a.settle('a')
  const resumed = await coordinator.resume(runId)
  const [ticket = 0] = resumed.status === 'ok' ? tickets(resumed) : []
  const row = (await driver.field(`t${ticket}`)) ?? ''
  expect(await coordinator.rescue(runId, ticket, row)).toMatchObject({ status: 'ok' })
  await driver.redis.hdel(driver.keys.run(runId), `t${ticket + 1}`)
  const b = driver.indexOf('b')
  const adopted = await coordinator.adopt(runId, b, (await driver.field(`n${b}`)) ?? '')
  expect(adopted).toMatchObject({ status: 'ok' })
  expect((await coordinator.readValues(runId, graph, [0], true)).values).toHaveLength(1)
  expect(await coordinator.cancel(runId)).toMatchObject({ status: 'ok', isToSweep: true })
  expect(await driver.redis.hget(driver.keys.run(child.runId), 's')).toBe('C')
  expect(await coordinator.sweepsBefore(Number.MAX_SAFE_INTEGER, 9)).toEqual([])
}

async function driveMap(driver: Driver): Promise<void> {
  const map = await driver.openGranted()
  const answer = await driver.expand(map.delivery, map.grant('m[]'), 0, ['1', '2'])
  expect(answer).toMatchObject({ status: 'expanded', made: 2 })
}

async function driveRerunMoves(driver: Driver): Promise<void> {
  await (await driver.openGranted()).settle('a', failure())
  await (await driver.claimGranted(1)).settle('alert', failure())
  const reruns = rerunsOf(driver)
  expect(await reruns.retryNodes(driver.runId, driver.indexOf('alert'))).toMatchObject({
    status: 'ok',
  })
  await (await driver.claimGranted(2)).settle('alert', failure())
  const rerun = await createdRerun(driver, reruns)
  expect(await rerun.open(await rerun.deliver(0))).toMatchObject({ status: 'granted' })
  const second = await driver.deliver(0)
  expect(await reruns.refuse(second, '{}', { action: 'stop', reason: 'expired' })).toBe(
    'run_exists',
  )
}

async function driveSharedMoves(limits: SharedLimits): Promise<void> {
  const holder = { runId: 'r', index: 0, attempt: 2 }
  const budget = { key: 'k', ratio: 0, minPerSecond: 1, burst: 1 }
  await limits.takeBudget(budget, holder)
  expect(await limits.takeBudget(budget, { ...holder, attempt: 3 })).toMatchObject({
    status: 'wait',
  })
  const breaker = { key: 'k', openFor: 60_000, probes: 1, releasePerSecond: 1, failures: 1 }
  const permit = await limits.takeBreaker(breaker, holder)
  if (permit.status === 'wait') throw new Error('the breaker is closed')
  expect(await limits.reportBreaker(breaker, holder, permit, 'failed')).toBe('open')
  expect(await limits.takeBreaker(breaker, holder)).toMatchObject({ status: 'wait' })
  expect(await limits.renewProbe('k', holder)).toBe('stale')
  await limits.takeLock('k', holder)
  expect(await limits.takeLock('k', { ...holder, attempt: 3 })).toMatchObject({ status: 'wait' })
  expect(await limits.renewLock('k', holder)).toBe('ok')
  expect(await limits.releaseLock('k', holder)).toMatchObject({ attempt: 3 })
}

/** The functions that fragments define at their top level. */
function functionsIn(fragments: readonly Fragment[]): string[] {
  const texts = fragments.map((name) => readFragment(name))
  return texts.flatMap((text) =>
    Array.from(text.matchAll(/^local function (\w+)/gm), ([, name = '']) => name),
  )
}

describe('the Lua files', () => {
  test('are all part of a composed script', () => {
    const files = readdirSync(LUA, { recursive: true, encoding: 'utf8' })
    const names = files.filter((file) => file.endsWith('.lua')).map((file) => file.slice(0, -4))
    expect([...ALL_FRAGMENTS].sort()).toEqual(names.sort())
  })

  test.runIf(findExecutable(thisMachine(), 'luacheck') !== null).each([
    ['the moves of runs', loadMoves, []],
    // It does not use all that the fragments of runs define, and set.
    ['the moves of reruns', loadRerunMoves, [...functionsIn(FRAGMENTS), 'SWEEPS']],
    ['the moves of shared limits', loadSharedMoves, []],
  ] as const)('are clean for luacheck when they are composed: %s', (_name, load, unused) => {
    const args = [
      ...unused.flatMap((name) => ['--ignore', `211/${name}`, '--ignore', `231/${name}`]),
      '--std',
      'lua51',
      '--globals',
      'redis',
      'ARGV',
      'KEYS',
      '--no-max-line-length',
      '-',
    ]
    expect(() => execFileSync('luacheck', args, { input: load().source })).not.toThrow()
  })
})

describeWithRedis('a composed script', () => {
  test.each([loadMoves, loadRerunMoves, loadSharedMoves])(
    'is known by the hash that Redis gives it: %o',
    async (load) => {
      const { source, sha } = load()
      expect(await redis().script('LOAD', source)).toBe(sha)
    },
  )

  test.each(ALL_FRAGMENTS)('has a fragment that Redis compiles alone: %s', async (name) => {
    const source = readFileSync(`${LUA}/${name}.lua`, 'utf8')
    expect(await redis().script('LOAD', source)).toMatch(/^[0-9a-f]{40}$/)
  })
})
