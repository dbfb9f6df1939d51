import { DefinitionError } from '../core/errors.ts'

/** The keys and prefixes that a flow's build has given out. */
export class NodeKeys {
  readonly #taken = new Set<string>()
  readonly #lastNumbers = new Map<string, number>()

  /**
   * Takes the key that a user chose.
   *
   * @throws DefinitionError when another node has it
   */
  take(key: string, what: string): string {
    if (this.#taken.has(key)) {
      throw new DefinitionError(
        `${what}: key: expected a key that no other node of the flow has, got ${JSON.stringify(key)} again`,
      )
    }
    this.#taken.add(key)
    return key
  }

  /** Takes `base`, or the first of `base-2`, `base-3`, … that is free; `end` follows the number. */
  takeFree(base: string, end = ''): string {
    let number = this.#lastNumbers.get(base + end) ?? 0
    let key: string
    do {
      number += 1
      key = `${number === 1 ? base : `${base}-${number}`}${end}`
    } while (this.#taken.has(key))
    this.#lastNumbers.set(base + end, number)
    this.#taken.add(key)
    return key
  }
}
