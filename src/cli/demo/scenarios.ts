import { join } from 'node:path'
import { z } from 'zod'
import { packageFolder } from '../package-info.ts'
import { ChildProgram } from './child-program.ts'
import type { Owned } from './owned.ts'

/** What the user may change of a demo. */
export interface DemoSettings {
  /** How many requests the service refuses. */
  readonly failures: number
  /** How long the payload takes, in ms. */
  readonly expensiveMs: number
}

/** An example that the demo can run. */
export interface Scenario {
  /** The name of its flow. */
  readonly flow: string
  /** The module that exports the flow. */
  readonly module: string
  /** Starts what the flow needs besides Redis and workers. */
  prepare(settings: DemoSettings, owned: Owned): Promise<Preparation>
}

/** The flow's input, and what to tell about the surroundings. */
export interface Preparation {
  readonly input: object
  readonly notes: readonly Note[]
}

/** A line of the demo's head. */
export interface Note {
  readonly what: string
  readonly text: string
}

const portLine = z.object({ port: z.int() })

/** The scenarios by the name that the command line has for them. */
export const SCENARIOS = {
  'retry-example': {
    flow: 'retry-example',
    module: exampleFile('retry-example', 'flow.ts'),
    prepare: prepareService,
  },
  etl: {
    flow: 'etl',
    module: exampleFile('etl', 'flow.ts'),
    prepare: async () => ({ input: {}, notes: [] }),
  },
} as const satisfies Readonly<Record<string, Scenario>>

/** The name of a scenario. */
export type ScenarioName = keyof typeof SCENARIOS

async function prepareService(
  { failures, expensiveMs }: DemoSettings,
  owned: Owned,
): Promise<Preparation> {
  const file = exampleFile('retry-example', 'service.ts')
  const program = new ChildProgram('the service', file, ['--failures', String(failures)])
  const service = owned.own(program, () => program.stop())
  const { port } = await service.waitForLine((line) => portLine.safeParse(line).data ?? null)
  const url = `http://127.0.0.1:${port}`
  const first = failures === 1 ? 'the first request' : `the first ${failures} requests`
  const mood = failures === 0 ? 'is up' : `answers 503 to ${first}`
  return {
    input: { url, expensiveMs },
    notes: [{ what: 'Service', text: `${url} (pid ${service.pid}) ${mood}` }],
  }
}

function exampleFile(...path: readonly string[]): string {
  return join(packageFolder, 'examples', ...path)
}
