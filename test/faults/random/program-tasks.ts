import { z } from 'zod'
import { childRunId } from '../../../src/core/ids.ts'
import { type Flow, fail, flow, NonRetryable, Skip, type Task, task } from '../../../src/index.ts'
import type { Program } from './program.ts'
import type { Script } from './script.ts'

/** A result that is a failure. */
const REFUSED = 'refused'

/** A node that calls the task takes any values; its own value is its key. */
export type StepTask = Task<{ uses: unknown[] }, string>

/** The same as a child run, which is told the key of the node that waits for it: `[*]` stands for one of `items` each. */
export type ChildFlow = Flow<{ uses: unknown[]; key: string; items: number[] }, string>

/** What the nodes of a program do. */
export interface ProgramTasks {
  readonly step: StepTask
  readonly child: ChildFlow
}

/** The task and the flow whose attempts and runs end as the program's scripts say. */
export function programTasks(name: string, program: Program): ProgramTasks {
  const scriptOf = (key: string): Script => {
    const item = program.find((other) => other.kind === 'task' && other.key === key)
    if (item?.kind !== 'task') throw new Error(`no script for ${key}`)
    return item.script
  }
  const failWhen = (output: string) => output === REFUSED
  const step = task(
    { name: `${name}-step`, input: z.object({ uses: z.array(z.unknown()) }), failWhen },
    (_, { node, attempt }) => perform(scriptOf(node), attempt, node),
  )
  const childInput = z.object({
    uses: z.array(z.unknown()),
    key: z.string(),
    items: z.array(z.number()),
  })
  const childName = `${name}-child`
  const leaf = task({ name: `${name}-leaf`, input: childInput, failWhen }, (input, { run }) => {
    const key = input.items.reduce((text, item) => text.replace('[*]', `[${item}]`), input.key)
    const script = scriptOf(key)
    const ids = Array.from({ length: script.errors + 1 }, (_, n) =>
      childRunId(run.parentId ?? '', key, `${childName}#${n + 1}`),
    )
    const attempt = ids.indexOf(run.id) + 1
    if (attempt === 0) throw new Error(`${run.id} is no child of ${key}`)
    return perform(script, attempt, key)
  })
  const child = flow({ name: childName, input: childInput }, (input) =>
    leaf({ uses: input.uses, key: input.key, items: input.items }),
  )
  return { step, child }
}

/** What the handler of an attempt does. */
function perform({ errors, by, last }: Script, attempt: number, key: string) {
  if (attempt <= errors || last === 'exhaust') {
    const error = new Error(`failure ${attempt}`)
    if (by === 'throw') throw error
    return by === 'fail' ? fail(error) : REFUSED
  }
  if (last === 'abandon') throw new NonRetryable('given up')
  if (last === 'skip') throw new Skip('nothing to do')
  return key
}
