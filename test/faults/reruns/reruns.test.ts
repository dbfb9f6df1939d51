import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { type RunSnapshot, Runs } from '../../../src/index.ts'
import { describeWithRedis, redisUrl } from '../../setup/namespace.ts'
import {
  eventually,
  kindsOf,
  nodeOf,
  type OnTestFinished,
  openScene,
  QUICK_RECOVERY,
  runEnd,
  TEST_TIMEOUT_MS,
} from '../../worker/scene.ts'
import { EffectsFile } from '../harness/effects.ts'
import { fragileFlow, REUSED, rerunFlow } from './flows.ts'

const SCRIPT = fileURLToPath(new URL('rerun-process.ts', import.meta.url))

function openVictims(onTestFinished: OnTestFinished) {
  const scene = openScene(onTestFinished)
  const runs = new Runs({ redis: redisUrl(), namespace: scene.namespace })
  const effects = EffectsFile.create()
  const wide = rerunFlow(effects)
  const fragile = fragileFlow(effects)
  onTestFinished(async () => {
    await runs.close()
    effects.remove()
  })
  return {
    ...scene,
    runs,
    effects,
    wide,
    fragile,
    startHealthyWorker: () => scene.startWorker({ flows: [wide, fragile], ...QUICK_RECOVERY }),
    startVictim: (point: string) => startVictim(scene.namespace, effects, point, onTestFinished),
  }
}

/** A worker in a process of its own. `says` waits for a word of it, `kill` kills it by its pid. */
async function startVictim(
  namespace: string,
  effects: EffectsFile,
  point: string,
  onTestFinished: OnTestFinished,
) {
  const orders = { redisUrl: redisUrl(), namespace, effects: effects.path, point }
  const child = spawn(process.execPath, ['--import', 'tsx', SCRIPT, JSON.stringify(orders)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const words = new Set<string>()
  createInterface({ input: child.stdout }).on('line', (line) => words.add(line))
  const victim = {
    says: (word: string) =>
      eventually(() => {
        if (!words.has(word)) throw new Error(`no ${word} yet (${child.exitCode ?? 'alive'})`)
      }),
    kill: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return
      const gone = once(child, 'exit')
      child.kill('SIGKILL')
      await gone
    },
  }
  onTestFinished(victim.kill)
  await victim.says('ready')
  return victim
}

/** Nothing that was reused was executed again, and everything else once. */
function expectOnce(effects: EffectsFile, first: RunSnapshot, retry: RunSnapshot): void {
  const starts = effects.read().filter(({ kind }) => kind === 'start')
  const ofRun = (id: string) => starts.filter(({ run }) => run === id).map(({ node }) => node)
  expect(ofRun(first.id)).toHaveLength(REUSED + 1)
  expect(new Set(ofRun(first.id)).size).toBe(REUSED + 1)
  expect(new Set(ofRun(retry.id))).toEqual(new Set(['last']))
  expect(new Set(starts.map(({ run }) => run))).toEqual(new Set([first.id, retry.id]))
  expect(retry.nodes.filter(({ reused }) => reused)).toHaveLength(REUSED)
}

describeWithRedis(
  'a worker killed with SIGKILL',
  () => {
    describe('while a failed run is retried', {
      concurrent: true,
      timeout: TEST_TIMEOUT_MS,
    }, () => {
      test.for([
        { point: 'ended', name: 'between the end of the run and the making of its retry' },
        { point: 'created', name: 'between the making of the retry and its job' },
        { point: 'copying', name: 'in the middle of copying results' },
        { point: 'copied', name: 'between copying and opening' },
        { point: 'opened', name: 'after opening, before it executed anything' },
      ])('$name: one retry, which reuses everything', async ({ point }, { onTestFinished }) => {
        const scene = openVictims(onTestFinished)
        const victim = await scene.startVictim(point)
        const run = await scene.producer.enqueue(scene.wide, { fails: 1 }, { runRetry: 3 })
        await victim.says('reached')
        await victim.kill()
        const before = scene.effects.of('start').length
        await scene.startHealthyWorker()

        expect(await run.result({ timeout: TEST_TIMEOUT_MS })).toBe(`${REUSED} parts`)
        const first = await runEnd(run)
        expect(first.reruns).toEqual([`${run.id}~1`])
        expect(first.retriedBy).toBe(`${run.id}~1`)
        const retry = await runEnd(scene.producer.run(`${run.id}~1`))
        expect(scene.effects.of('start').length - before).toBe(1)
        expect(kindsOf(retry, 'last')).toEqual(point === 'opened' ? ['crash'] : [])
        expect(nodeOf(retry, 'last').attempts).toBe(point === 'opened' ? 2 : 1)
        expectOnce(scene.effects, first, retry)
        expect(await scene.redis.zcard(`${scene.prefix}/live`)).toBe(0)
        expect(await scene.redis.zcard(`${scene.prefix}/duties`)).toBe(0)
      })
    })

    test('in a handler: the run, which failed for that, is retried as its kind says', {
      timeout: TEST_TIMEOUT_MS,
    }, async ({ onTestFinished }) => {
      const scene = openVictims(onTestFinished)
      const victim = await scene.startVictim('handler')
      const runRetry = { maxRetries: 1, kinds: ['crash', 'timeout'] } as const
      const run = await scene.producer.enqueue(scene.fragile, {}, { runRetry })
      await victim.says('reached')
      await victim.kill()
      await scene.startHealthyWorker()
      expect(await run.result({ timeout: TEST_TIMEOUT_MS })).toBe('done')
      const first = await runEnd(run)
      expect(kindsOf(first, 'fragile')).toEqual(['crash'])
      expect(first).toMatchObject({ state: 'failed', retriedBy: `${run.id}~1` })
      const starts = scene.effects.read().map((effect) => effect.run)
      expect(starts).toEqual([run.id, `${run.id}~1`])
    })

    test('while it opens a rerun that was asked for by hand: it is opened by another one', {
      timeout: TEST_TIMEOUT_MS,
    }, async ({ onTestFinished }) => {
      const scene = openVictims(onTestFinished)
      const victim = await scene.startVictim('copying')
      const run = await scene.producer.enqueue(scene.wide, { fails: 1 })
      await runEnd(run)
      const { id } = await scene.runs.rerun(run.id)
      await victim.says('reached')
      await victim.kill()
      await scene.startHealthyWorker()
      expect(await scene.producer.run(id).result({ timeout: TEST_TIMEOUT_MS })).toBe(
        `${REUSED} parts`,
      )
      expectOnce(scene.effects, await runEnd(run), await runEnd(scene.producer.run(id)))
    })
  },
  { needs: 'real' },
)
