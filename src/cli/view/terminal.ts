import picocolors from 'picocolors'

/** What output is written to. A parameter, so that tests can describe another one. */
export interface Terminal {
  /** True if lines can be redrawn. */
  readonly isLive: boolean
  readonly columns: number
  readonly rows: number
  readonly colors: Colors
}

/** Functions that colour a text, or leave it as it is. */
export type Colors = Omit<ReturnType<typeof picocolors.createColors>, 'isColorSupported'>

const MAX_COLUMNS = 100

/** The terminal of standard output. One that is none, and a plain one, gets no escape codes and is never redrawn. */
export function thisTerminal({ plain = false }: { readonly plain?: boolean } = {}): Terminal {
  const { isTTY = false, columns = 80, rows = 24 } = process.stdout
  const isLive = isTTY && !plain && !process.env.CI
  return {
    isLive,
    columns: Math.min(columns, MAX_COLUMNS),
    rows,
    colors: picocolors.createColors(isLive && picocolors.isColorSupported),
  }
}
