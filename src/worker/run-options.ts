import { fromJsonText } from '../core/json.ts'
import type { StoredRunOptions } from '../producer/envelope.ts'

const EMPTY: StoredRunOptions = {}
const CACHE_SIZE = 100

const cache = new Map<string, StoredRunOptions>()

/** The options that a run was enqueued with, parsed once per text. They were checked when the run was opened. */
export function parseRunOptions(text: string): StoredRunOptions {
  if (text === '') return EMPTY
  const known = cache.get(text)
  if (known) return known
  // Trust border: `readEnvelope` checked them before `open` stored them.
  const options = fromJsonText(text, "the run's options") as StoredRunOptions
  if (cache.size >= CACHE_SIZE) cache.clear()
  cache.set(text, options)
  return options
}
