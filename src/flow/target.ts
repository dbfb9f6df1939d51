import type { z } from 'zod'
import { RepriseError } from '../core/errors.ts'
import type { AnyFlow } from './flow.ts'
import type { AnyTask } from './task.ts'

/** A flow or task by name, for services that hold no flow code. */
export type NamedTarget = { readonly flow: string } | { readonly task: string }

/** What can be enqueued. */
export type Target = AnyFlow | AnyTask | NamedTarget

/** What `enqueue` needs to know of its target. */
export interface TargetFacts {
  readonly kind: 'flow' | 'task'
  readonly name: string
  /** Null when only the name is known: the worker checks the input then. */
  readonly schema: z.ZodType | null
  readonly defaultQueue: string | undefined
  readonly defaultPriority: number | undefined
  /** The keys of the nodes that have policies: those that call a task or start a run; null when only the name is known. */
  readonly nodeKeys: readonly string[] | null
}

/**
 * Reads what `enqueue` was given.
 *
 * @throws RepriseError (`options`) for anything but a flow, a task, or the name of one
 */
export function targetFacts(target: Target): TargetFacts {
  if (typeof target === 'function') {
    const { kind } = target
    const { name, input, queue, priority } = kind === 'flow' ? target : target.definition
    const nodeKeys =
      target.kind === 'flow' ? [...target.nodes.keys(), ...target.runNodes.keys()] : [name]
    return { kind, name, schema: input, defaultQueue: queue, defaultPriority: priority, nodeKeys }
  }
  const named: Partial<Record<'flow' | 'task', unknown>> = target ?? {}
  if (typeof named.flow === 'string') return byName('flow', named.flow)
  if (typeof named.task === 'string') return byName('task', named.task)
  throw new RepriseError(
    'options',
    "enqueue: expected a flow, a task, { flow: 'name' } or { task: 'name' } as first argument",
  )
}

function byName(kind: 'flow' | 'task', name: string): TargetFacts {
  const unknown = { defaultQueue: undefined, defaultPriority: undefined, nodeKeys: null }
  return { kind, name, schema: null, ...unknown }
}
