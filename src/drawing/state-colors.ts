import type { NodeState } from '../core/states.ts'

/** The colours of a node in pictures, as CSS has them. Text on its fill has a contrast of 4.5 at least. */
export interface StateColors {
  readonly fill: string
  readonly line: string
  readonly text: string
}

const GREY: StateColors = { fill: '#f3f4f6', line: '#9ca3af', text: '#4b5563' }
const BLUE: StateColors = { fill: '#dbeafe', line: '#2563eb', text: '#1e3a8a' }
const YELLOW: StateColors = { fill: '#fef3c7', line: '#d97706', text: '#78350f' }
const GREEN: StateColors = { fill: '#dcfce7', line: '#16a34a', text: '#14532d' }
const RED: StateColors = { fill: '#fee2e2', line: '#dc2626', text: '#7f1d1d' }
const PINK: StateColors = { fill: '#ffffff', line: '#dc2626', text: '#7f1d1d' }

/** Of nodes in the drawing of a flow, which have no state. */
export const PLAIN_COLORS: StateColors = { fill: '#ffffff', line: '#374151', text: '#111827' }

export const STATE_COLORS: Readonly<Record<NodeState, StateColors>> = {
  pending: GREY,
  ready: BLUE,
  running: BLUE,
  retrying: YELLOW,
  waiting: YELLOW,
  succeeded: GREEN,
  failed: RED,
  upstream_failed: PINK,
  skipped: GREY,
  cancelled: PINK,
}
