import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { useRedis } from '../../coordinator/driver.ts'
import { Family } from '../../coordinator/family.ts'
import { describeWithRedis, redisUrl } from '../../setup/namespace.ts'
import { nodeOf, openScene, PATIENCE_MS, QUICK_RECOVERY } from '../../worker/scene.ts'
import { EffectsFile } from '../harness/effects.ts'
import { WorkerProcess } from '../harness/worker-process.ts'
import { ITEMS, largeFlow } from './large-flow.ts'
import { type SlowScripts, watchScripts } from './slow-scripts.ts'
import { CHILDREN, childOf, openWaitingRun } from './waiting-run.ts'

const VICTIM = fileURLToPath(new URL('victim.ts', import.meta.url))
const CANCELLER = fileURLToPath(new URL('canceller.ts', import.meta.url))
/**
 * No script holds Redis for longer. At real-time priority Redis waits for nobody, but for what stops the whole machine (or another
 * server that has such a priority): that hits a few calls of thousands now and then, the shortest ones of BullMQ too. Without it a
 * call takes as long as it takes a busy machine to give the processor back: then more may be slower.
 */
const SLOW_MS = 5
const HICCUPS = 5
const LOGGED_MS = 1
const SLOW_SHARE = 0.01

describeWithRedis(
  'a map of 10,000 items',
  () => {
    test.for(['unmade', 'made'] as const)(
      'loses and repeats nothing when its worker is killed at the third chunk, which is %s',
      { timeout: 180_000 },
      async (chunk, { onTestFinished }) => {
        const scene = openScene(onTestFinished)
        const effects = EffectsFile.create()
        const scripts = await watchScripts(scene.redis, scene.prefix, LOGGED_MS)
        const orders = { redisUrl: redisUrl(), namespace: scene.namespace, effects: effects.path }
        const victim = new WorkerProcess({ ...orders, chunk }, VICTIM)
        onTestFinished(async () => {
          await victim.kill()
          await scripts.stop()
          effects.remove()
        })
        const large = largeFlow(effects)
        await victim.says('ready')
        const run = await scene.producer.enqueue(large, ITEMS)
        await victim.says('reached')
        await victim.kill()
        await scene.startWorker({ flows: [large], ...QUICK_RECOVERY })

        const sum = (ITEMS * (ITEMS - 1)) / 2
        expect(await run.result({ timeout: '2m' })).toEqual({ count: ITEMS, sum })
        const ended = await run.read()
        const items =
          ended?.nodes.filter(({ key }) => key.startsWith('one[') && key !== 'one[]') ?? []
        expect(items).toHaveLength(ITEMS)
        expect(ended && nodeOf(ended, 'one[]')).toMatchObject({ state: 'succeeded', attempts: 2 })
        const starts = effects.of('start')
        expect(new Set(starts).size).toBe(starts.length)
        // What began a second time had been in the hands of the worker that was killed.
        const expected = items.flatMap(({ key, attempts, log }) => {
          expect(log.map(({ kind }) => kind)).toEqual(
            Array.from({ length: attempts - 1 }, () => 'crash'),
          )
          return Array.from({ length: attempts }, (_, i) => `${key}#${i + 1}`)
        })
        expect(expected).toEqual(expect.arrayContaining(starts))
        expect(starts.length).toBeGreaterThanOrEqual(ITEMS)
        await expectQuickCalls(scripts)
      },
    )
  },
  { needs: 'real' },
)

describeWithRedis(
  'the cancel of a run of which 10,000 nodes wait for child runs',
  () => {
    const redis = useRedis()

    test('is finished by the reconciler when whoever cancelled dies after two chunks', {
      timeout: 180_000,
    }, async ({ onTestFinished }) => {
      const scene = openScene(onTestFinished)
      const driver = await openWaitingRun(redis(), scene.namespace)
      const { keys, runId } = driver
      const indices = Array.from({ length: CHILDREN }, (_, i) => driver.indexOf(`call[${i}]`))
      const children = indices.map((index) => childOf(driver, index))
      const [ended = '', open = ''] = children
      await redis().hset(keys.run(ended), 's', 'S', 'at', 1, 'e', 1)
      // A child that itself waits for a child, which is not opened.
      const { parent, childId } = await grandchild(scene.namespace, open)

      const scripts = await watchScripts(scene.redis, scene.prefix, LOGGED_MS)
      const orders = { redisUrl: redisUrl(), namespace: scene.namespace, runId }
      const victim = new WorkerProcess(orders, CANCELLER)
      onTestFinished(async () => {
        await victim.kill()
        await scripts.stop()
      })
      await victim.says('reached')
      await victim.kill()
      expect((await driver.read()).state).toBe('cancelled')
      const stateOf = (child: string) => redis().hget(keys.run(child), 's')
      const cancelled = async () =>
        (await Promise.all(children.map(stateOf))).filter((state) => state === 'C').length
      const before = await cancelled()
      expect(before).toBeGreaterThan(0)
      expect(before).toBeLessThan(CHILDREN / 2)

      await scene.startWorker({ leaseDuration: '1s', stalledInterval: '300ms', tasks: [] })
      await expect
        .poll(() => redis().zcard(keys.sweeps), { timeout: 3 * PATIENCE_MS, interval: 200 })
        .toBe(0)
      expect(await cancelled()).toBe(CHILDREN - 1)
      expect(await stateOf(ended)).toBe('S')
      expect(await redis().pttl(keys.run(ended))).toBeGreaterThan(0)
      expect((await parent.read()).state).toBe('cancelled')
      expect(await stateOf(childId)).toBe('C')

      await expectQuickCalls(scripts)
    })

    async function grandchild(namespace: string, runId: string): Promise<Family> {
      const family = new Family(redis(), { namespace, runId })
      await family.wait()
      return family
    }
  },
  { needs: 'real' },
)

async function expectQuickCalls(scripts: SlowScripts): Promise<void> {
  const logged = await scripts.read()
  console.log('the slowest of its script calls:', ...logged.slice(0, 3))
  const slow = logged.filter(({ ms }) => ms >= SLOW_MS)
  if (scripts.isUndisturbed) expect(slow.slice(HICCUPS)).toEqual([])
  else expect(slow.length).toBeLessThan(ITEMS * SLOW_SHARE)
}
