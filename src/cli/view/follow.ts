import { createLogUpdate } from 'log-update'
import type { RunSnapshot } from '../../coordinator/run-snapshot.ts'
import type { RunHandle } from '../../producer/run-handle.ts'
import { eventLine } from './event-line.ts'
import { drawRun } from './live-frame.ts'
import { openingHint } from './opening-hint.ts'
import type { Terminal } from './terminal.ts'

const FRAME_MS = 80
// Not every change is an event: how often the run is read without one.
const READ_MS = 1_000
const HINT_MS = 3_000

/**
 * Shows a run until it ends: redrawn in place where the terminal can, else a line for each event.
 *
 * @throws RepriseError `unknown_run` when there is no such run
 */
export async function follow(run: RunHandle, terminal: Terminal, queue?: string): Promise<void> {
  await (terminal.isLive ? followLive(run, terminal, queue) : followPlain(run, queue))
}

async function followPlain(run: RunHandle, queue: string | undefined): Promise<void> {
  const hint = setTimeout(() => {
    void openingHint(run, queue).then((text) => text && console.error(text), ignore)
  }, HINT_MS)
  let openedAt = 0
  try {
    for await (const event of run.events()) {
      if (event.type === 'run.opened') openedAt = event.at
      console.log(eventLine(event, openedAt))
    }
  } finally {
    clearTimeout(hint)
  }
}

async function followLive(
  run: RunHandle,
  terminal: Terminal,
  queue: string | undefined,
): Promise<void> {
  const screen = createLogUpdate(process.stdout)
  let snapshot: RunSnapshot | null = null
  let hint: string | null = `run ${run.id} is queued`
  let frame = 0
  const read = async () => {
    snapshot = await run.read()
    if (snapshot === null) hint = await openingHint(run, queue)
  }
  const draw = () => {
    const time = { now: Date.now(), frame: frame++ }
    screen(snapshot === null ? (hint ?? '') : drawRun(snapshot, time, terminal))
  }
  const drawing = setInterval(draw, FRAME_MS)
  const reading = setInterval(() => void read().catch(ignore), READ_MS)
  try {
    for await (const _event of run.events()) await read()
  } finally {
    clearInterval(drawing)
    clearInterval(reading)
    draw()
    screen.done()
  }
}

function ignore(): void {
  // The reading of events fails too, and says so.
}
