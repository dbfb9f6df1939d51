import type { RunHandle, Worker, WorkerOptions } from '../../../src/index.ts'
import { redisUrl } from '../../setup/namespace.ts'
import { type OnTestFinished, openScene, QUICK_RECOVERY, type Scene } from '../../worker/scene.ts'
import { EffectsFile } from './effects.ts'
import { fixtureFlows } from './fixture-flows.ts'
import type { Orders, Stop } from './orders.ts'
import { WorkerProcess } from './worker-process.ts'

/** A scene with the fixture flows, one file of effects, and worker processes. */
export interface FaultScene extends Scene {
  readonly effects: EffectsFile
  /** Starts a run of the scene's flow. */
  enqueue(): Promise<RunHandle<string>>
  /** Starts a worker process and waits until it takes jobs. */
  startProcess(orders?: Partial<Orders>): Promise<WorkerProcess>
  /** Starts a worker in this process that knows the fixture flows and has nothing to fear. */
  startHealthyWorker(options?: Partial<WorkerOptions>): Promise<Worker>
}

export function openFaultScene(flowName: string, onTestFinished: OnTestFinished): FaultScene {
  const scene = openScene(onTestFinished)
  const effects = EffectsFile.create()
  const flows = fixtureFlows(effects)
  const flow = flows.find(({ name }) => name === flowName)
  if (!flow) throw new Error(`there is no fixture flow ${flowName}`)
  const processes: WorkerProcess[] = []
  onTestFinished(async () => {
    await Promise.all(processes.map((worker) => worker.kill()))
    effects.remove()
  })
  return {
    ...scene,
    effects,
    enqueue: () => scene.producer.enqueue(flow, { start: 'x' }),
    startProcess: async (orders = {}) => {
      const own = { redisUrl: redisUrl(), namespace: scene.namespace, effects: effects.path }
      const all: Orders = { ...own, flow: flowName, ...orders }
      const worker = new WorkerProcess(all)
      processes.push(worker)
      await worker.says('ready')
      return worker
    },
    startHealthyWorker: (options) =>
      scene.startWorker({
        flows,
        ...QUICK_RECOVERY,
        queues: {
          default: { concurrency: 5 },
          side: { concurrency: 5 },
          far: { concurrency: 5 },
        },
        ...options,
      }),
  }
}

/**
 * Enqueues a run, lets a worker process come to its stop point, kills it there by its pid, and starts a healthy worker.
 */
export async function killAt(scene: FaultScene, stop: Stop): Promise<RunHandle<string>> {
  const victim = await scene.startProcess({ stop })
  const run = await scene.enqueue()
  await victim.says('reached')
  await victim.kill()
  await scene.startHealthyWorker()
  return run
}
