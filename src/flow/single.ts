import { z } from 'zod'
import { maxCrashesOf } from '../strategies/policy-limits.ts'
import { toPolicy } from '../strategies/shorthand.ts'
import { deepFreeze } from './deep-freeze.ts'
import type { FlowDefinition } from './flow-definition.ts'
import { GRAPH_VERSION } from './graph.ts'
import type { TaskDefinition } from './task-definition.ts'

/** Begins the flow name of a task that runs on its own; no flow of a user can have it. */
export const SINGLE_TASK_PREFIX = 'task:'

/**
 * The flow behind a task that is enqueued on its own: one node, which gets the run's input as it is. The task parses
 * it; parsing it at the opening of the run too would apply the schema's transformations twice.
 */
export function singleTaskFlow({
  definition,
}: {
  readonly definition: TaskDefinition
}): FlowDefinition {
  const { name, queue, priority, retry } = definition
  return Object.freeze({
    name: SINGLE_TASK_PREFIX + name,
    input: z.unknown(),
    ...(queue === undefined ? {} : { queue }),
    ...(priority === undefined ? {} : { priority }),
    graph: deepFreeze({
      v: GRAPH_VERSION,
      flow: SINGLE_TASK_PREFIX + name,
      nodes: [
        {
          kind: 'task',
          key: name,
          task: name,
          input: { ref: 'input', path: [] },
          trigger: 'all_success',
          upstreams: [],
          ...(retry === undefined ? {} : { maxCrashes: maxCrashesOf(toPolicy(retry)) }),
        } as const,
      ],
      output: { ref: 0, path: [] },
    } as const),
    nodes: new Map([[name, { task: definition }]]),
    runNodes: new Map(),
  })
}
