import { fromJsonText, type Json } from '../core/json.ts'

/** An item of a map as the run's results have it. */
export interface StoredItem {
  /** The key that the map's `key` gave it; null where its position is its key. */
  readonly key: string | null
  readonly value: Json
}

/** How an item is stored: its key or '', a line break, which no JSON text contains, and its value, JSON. */
export function formatItem({
  key,
  value,
}: {
  readonly key: string
  readonly value: string
}): string {
  return `${key}\n${value}`
}

/** Reads a stored item. */
export function readItem(text: string): StoredItem {
  const end = text.indexOf('\n')
  const key = text.slice(0, end)
  return {
    key: key === '' ? null : key,
    value: fromJsonText(text.slice(end + 1), 'an item of a map'),
  }
}
