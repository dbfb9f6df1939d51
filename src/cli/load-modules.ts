import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { messageOf, RepriseError } from '../core/errors.ts'
import type { AnyFlow } from '../flow/flow.ts'
import type { AnyTask } from '../flow/task.ts'
import { isPolicyPlugin, type PolicyPlugin } from '../strategies/define-policy.ts'

/** The flows, tasks and retry-policy plug-ins that modules export. */
export interface Definitions {
  readonly flows: readonly AnyFlow[]
  readonly tasks: readonly AnyTask[]
  readonly policies: readonly PolicyPlugin[]
}

/**
 * Loads modules in TypeScript or JavaScript, and takes every flow, task and policy plug-in that they export under whatever name. What
 * counts is the shape: a module may have another copy of this package.
 *
 * @param paths absolute, or relative to the working directory
 * @throws RepriseError (`options`) for a module that is missing, can't be loaded, or exports none of these
 */
export async function loadModules(paths: readonly string[]): Promise<Definitions> {
  await enableTypeScript()
  const flows = new Set<AnyFlow>()
  const tasks = new Set<AnyTask>()
  const policies = new Set<PolicyPlugin>()
  for (const path of paths) {
    const exported = exportedValues(await importModule(path))
    const found = exported.filter(
      (value) => isFlow(value) || isTask(value) || isPolicyPlugin(value),
    )
    if (found.length === 0) {
      throw new RepriseError(
        'options',
        `the module ${path} exports no flow and no task, nor a policy. Export what flow(), task() or definePolicy() returned`,
      )
    }
    for (const value of found) {
      if (isFlow(value)) flows.add(value)
      else if (isTask(value)) tasks.add(value)
      else if (isPolicyPlugin(value)) policies.add(value)
    }
  }
  return { flows: [...flows], tasks: [...tasks], policies: [...policies] }
}

/** Registers the loader for TypeScript, once; when this file is itself TypeScript, there is one already. */
async function enableTypeScript(): Promise<void> {
  if (isLoaderRegistered) return
  isLoaderRegistered = true
  const [esm, cjs] = await Promise.all([import('tsx/esm/api'), import('tsx/cjs/api')])
  cjs.register()
  esm.register()
}

let isLoaderRegistered = import.meta.url.endsWith('.ts')

async function importModule(path: string): Promise<object> {
  const file = resolve(path)
  if (!existsSync(file)) {
    throw new RepriseError('options', `the module ${path} was not found: there is no ${file}`)
  }
  try {
    const module: object = await import(pathToFileURL(file).href)
    return module
  } catch (cause) {
    throw new RepriseError('options', `the module ${path} can't be loaded: ${messageOf(cause)}`, {
      cause,
    })
  }
}

// A CommonJS module's exports are (also) the properties of its default export.
function exportedValues(module: object): unknown[] {
  const values: unknown[] = Object.values(module)
  const nested = values.filter((value) => typeof value === 'object' && value !== null)
  return [...values, ...nested.flatMap((value) => Object.values(value ?? {}))]
}

function isFlow(value: unknown): value is AnyFlow {
  return typeof value === 'function' && 'kind' in value && value.kind === 'flow'
}

function isTask(value: unknown): value is AnyTask {
  return typeof value === 'function' && 'kind' in value && value.kind === 'task'
}
