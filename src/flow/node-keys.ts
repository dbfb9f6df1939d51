import { DefinitionError } from '../core/errors.ts'
import type { Build } from './build.ts'

/** The keys and prefixes that a flow's build has given out. */
export interface NodeKeys {
  readonly taken: Set<string>
  /** By base, the number that was tried last, so that many nodes of one task are found in linear time. */
  readonly lastNumbers: Map<string, number>
}

/** The keys of a build that has no nodes yet. */
export function newNodeKeys(): NodeKeys {
  return { taken: new Set(), lastNumbers: new Map() }
}

/**
 * Takes the key that a user chose.
 *
 * @throws DefinitionError when another node has it
 */
export function takeKey({ taken }: NodeKeys, key: string, what: string): string {
  if (taken.has(key)) {
    throw new DefinitionError(
      `${what}: key: expected a key that no other node of the flow has, got ${JSON.stringify(key)} again`,
    )
  }
  taken.add(key)
  return key
}

/** Takes `base`, or the first of `base-2`, `base-3`, … that is free; `end` follows the number. */
export function takeFreeKey({ taken, lastNumbers }: NodeKeys, base: string, end = ''): string {
  let number = lastNumbers.get(base + end) ?? 0
  let key: string
  do {
    number += 1
    key = `${number === 1 ? base : `${base}-${number}`}${end}`
  } while (taken.has(key))
  lastNumbers.set(base + end, number)
  taken.add(key)
  return key
}

/**
 * Takes the key of what is called in a build function: the one that its options chose, else one made of its name.
 *
 * @param call the call that took the options, for messages
 */
export function takeNodeKey(
  build: Build,
  name: string,
  chosen: string | undefined,
  call = `${name}.with()`,
): string {
  const { prefix } = build.frame
  return chosen === undefined
    ? takeFreeKey(build.keys, prefix + name)
    : takeKey(build.keys, prefix + chosen, call)
}
