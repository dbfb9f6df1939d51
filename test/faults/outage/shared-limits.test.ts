import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import type { RetryOption, RunHandle } from '../../../src/index.ts'
import { describeWithRedis, redisUrl } from '../../setup/namespace.ts'
import { eventually, type OnTestFinished, openScene, runEnd } from '../../worker/scene.ts'
import { callTask } from './call-flow.ts'
import { Fleet } from './fleet.ts'
import { Service } from './service.ts'

const PROCESSES = 4
const CONCURRENCY = 10
const IN_FLIGHT = PROCESSES * CONCURRENCY

async function openOutage(onTestFinished: OnTestFinished) {
  const scene = openScene(onTestFinished)
  const service = await Service.start()
  const fleet = new Fleet({
    redisUrl: redisUrl(),
    namespace: scene.namespace,
    serviceUrl: service.url,
    concurrency: CONCURRENCY,
  })
  onTestFinished(async () => {
    await fleet.stop()
    await service.stop()
  })
  await fleet.start(PROCESSES)
  const call = callTask(service.url)
  return {
    service,
    fleet,
    enqueue: (count: number, retry: RetryOption): Promise<RunHandle<string>[]> =>
      Promise.all(Array.from({ length: count }, () => scene.producer.enqueue(call, {}, { retry }))),
  }
}

async function expectAllSucceeded(runs: readonly RunHandle<string>[]): Promise<void> {
  for (const run of runs) expect((await runEnd(run)).state).toBe('succeeded')
}

describeWithRedis(
  'four worker processes and a service that is down',
  () => {
    describe('share a budget', () => {
      test('whose permits stay within one bucket of the formula, though workers are killed', {
        timeout: 240_000,
      }, async ({ onTestFinished }) => {
        const { service, fleet, enqueue } = await openOutage(onTestFinished)
        const budget = { key: 'service', ratio: 0.1, minPerSecond: 20, burst: 20 }
        const startedAt = Date.now()
        const runs = await enqueue(200, {
          kind: 'constant',
          delay: 20,
          maxRetries: null,
          maxCrashes: 20,
          budget,
        })
        for (let kills = 0; kills < 3; kills++) {
          await sleep(2_000)
          const [victim = 0] = fleet.pids
          await fleet.kill(victim)
          await fleet.start(1)
        }
        const downUntil = Date.now()
        await service.be('up')
        await expectAllSucceeded(runs)

        let firsts = 0
        let retries = 0
        let retriesWhileDown = 0
        const calls = await service.calls()
        for (const { at, attempt } of calls) {
          if (attempt === 1) firsts += 1
          else retries += 1
          if (at <= downUntil) retriesWhileDown = retries
          // A first attempt pays in a moment before the service sees it.
          const formula =
            budget.ratio * (firsts + IN_FLIGHT) + (budget.minPerSecond * (at - startedAt)) / 1_000
          expect(retries).toBeLessThanOrEqual(budget.burst + formula)
        }
        const seconds = (downUntil - startedAt) / 1_000
        const earned = budget.ratio * firsts + budget.minPerSecond * seconds
        console.log(
          `budget: ${retriesWhileDown} retries in ${seconds.toFixed(1)} s, the formula gives ${earned.toFixed(0)} and a bucket of ${budget.burst}`,
        )
        // Nobody starves either: what the dead took with them is at most what they had in flight.
        expect(retriesWhileDown).toBeGreaterThan(earned / 2)
        expect(new Set(calls.filter(({ mode }) => mode === 'up').map(({ run }) => run)).size).toBe(
          200,
        )
      })
    })

    describe('share a breaker', () => {
      const breaker = {
        key: 'service',
        failures: 5,
        openFor: 1_000,
        probes: 2,
        releasePerSecond: 40,
      }
      const retry = {
        kind: 'constant',
        delay: 10,
        maxRetries: null,
        maxCrashes: 20,
        breaker,
      } as const

      test('that lets only probes through while it is down, and releases in order when it is up', {
        timeout: 240_000,
      }, async ({ onTestFinished }) => {
        const { service, enqueue } = await openOutage(onTestFinished)
        const runs = await enqueue(150, retry)
        await allWait(runs)
        const openFrom = Date.now()
        await sleep(5_000)
        const downUntil = Date.now()
        const probes = (await service.calls()).filter(({ at }) => at > openFrom)
        // One round of probes per opening, each at least `openFor` apart.
        expect(probes.length).toBeGreaterThan(0)
        expect(probes.length).toBeLessThanOrEqual(
          breaker.probes * Math.ceil((downUntil - openFrom) / breaker.openFor + 1),
        )
        // A probe that fails goes to the end of the line: who is one just now has no place.
        const waitingSince = new Map<string, number>()
        for (const run of runs) {
          const since = (await run.read())?.nodes[0]?.waitingSince
          if (since) waitingSince.set(run.id, since)
        }
        await service.be('up')
        await expectAllSucceeded(runs)

        const calls = (await service.calls()).filter(({ mode }) => mode === 'up')
        expect(new Set(calls.map(({ run }) => run)).size).toBe(150)
        const [first] = calls
        for (const { at } of calls) {
          const inOneSecond = calls.filter((call) => call.at >= at && call.at < at + 1_000).length
          expect(inOneSecond).toBeLessThanOrEqual(2 * breaker.releasePerSecond + breaker.probes)
        }
        const places = [...waitingSince.keys()].sort(
          (a, b) => (waitingSince.get(a) ?? 0) - (waitingSince.get(b) ?? 0),
        )
        const shifts = calls
          .filter(({ run }) => waitingSince.has(run))
          .map(({ run }, i) => Math.abs(places.indexOf(run) - i))
        const lengthMs = (calls.at(-1)?.at ?? 0) - (first?.at ?? 0)
        const meanShift = shifts.reduce((sum, shift) => sum + shift, 0) / shifts.length
        console.log(
          `breaker: ${probes.length} probes in ${downUntil - openFrom} ms; 150 released in ${lengthMs} ms, ${meanShift.toFixed(1)} places from their order on average, at most ${Math.max(...shifts)}`,
        )
        // Those of one second may overtake one another: they come by queues and processes of their own. By chance the
        // mean would be 50.
        expect(meanShift).toBeLessThanOrEqual(breaker.releasePerSecond / 4)
      })

      test('that opens again, and is not stuck when the holder of a probe is killed', {
        timeout: 240_000,
      }, async ({ onTestFinished }) => {
        const { service, fleet, enqueue } = await openOutage(onTestFinished)
        const first = await enqueue(20, { ...retry, breaker: { ...breaker, key: 'killed' } })
        await allWait(first)
        await service.be('hangs')
        for (let kills = 0; kills < 2; kills++) {
          const pid = await eventually(async () => {
            const calls = await service.calls()
            const probe = calls.find(
              ({ mode, pid }) => mode === 'hangs' && fleet.pids.includes(pid),
            )
            if (!probe) throw new Error('no probe yet')
            return probe.pid
          })
          await fleet.kill(pid)
          await fleet.start(1)
        }
        await service.be('up')
        await expectAllSucceeded(first)

        await service.be('down')
        const second = await enqueue(20, { ...retry, breaker: { ...breaker, key: 'killed' } })
        await allWait(second)
        await service.be('up')
        await expectAllSucceeded(second)
      })
    })
  },
  { needs: 'real' },
)

/** Waits until nothing of the runs is running: all have found the breaker open, but for a probe. */
async function allWait(runs: readonly RunHandle<string>[]): Promise<void> {
  await eventually(async () => {
    const snapshots = await Promise.all(runs.map((run) => run.read()))
    const waiting = snapshots.filter((run) => run?.nodes[0]?.waitingFor === 'breaker').length
    expect(waiting).toBeGreaterThanOrEqual(runs.length - 2)
  })
}
