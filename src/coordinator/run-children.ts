import type { ChildRun } from '../core/lineage.ts'

/** A child run as its parent's hash has it (lua/record-child.lua). */
export type StoredChild = Pick<ChildRun, 'runId' | 'flow'>

const CHILD_FIELD = /^y(\d+)\.(.+)$/

/** The field of a parent's hash that holds the child of one call of one node. */
export function childField(index: number, key: string): string {
  return `y${index}.${key}`
}

/** The field of a parent's hash that holds the child whose end a node waits for (lua/await-child.lua). */
export function awaitedField(index: number): string {
  return `a${index}`
}

/** How a child is stored. */
export function formatChild({ runId, flow }: StoredChild): string {
  return `${runId}|${flow}`
}

/** Reads a stored child. */
export function readChild(text: string): StoredChild {
  const end = text.indexOf('|')
  return { runId: text.slice(0, end), flow: text.slice(end + 1) }
}

/** All children of a run, in the order of its nodes and of the keys of their calls. */
export function readChildren(
  fields: Readonly<Record<string, string | undefined>>,
  nodes: readonly { readonly key: string; readonly index: number }[],
): ChildRun[] {
  const keys = new Map(nodes.map(({ index, key }) => [index, key]))
  const found = Object.entries(fields).flatMap(([field, text]) => {
    const [, index = '', key = ''] = CHILD_FIELD.exec(field) ?? []
    return index === '' || text === undefined
      ? []
      : [
          {
            index: Number(index),
            key,
            node: keys.get(Number(index)) ?? index,
            ...readChild(text),
          },
        ]
  })
  return found
    .sort((a, b) => a.index - b.index || a.key.localeCompare(b.key, 'en', { numeric: true }))
    .map(({ node, key, runId, flow }) => ({ node, key, runId, flow }))
}
