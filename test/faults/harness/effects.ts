import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/**
 * What can be written down.
 *
 * | kind | written by | when |
 * |---|---|---|
 * | start, done | a handler | at its begin, and when it is about to return |
 * | aborted | a handler | when its signal told it to stop |
 * | settled, refused | an armed worker | when Redis has answered its settle |
 */
export type EffectKind = 'start' | 'done' | 'aborted' | 'settled' | 'refused'

/** Something that really happened, written to a file at once by whoever did it. */
export interface Effect {
  readonly kind: EffectKind
  readonly run: string
  readonly node: string
  readonly attempt: number
  readonly pid: number
  readonly detail: string
}

/** A file to which several processes append what they did. */
export class EffectsFile {
  readonly path: string

  constructor(path: string) {
    this.path = path
  }

  /** Makes a new file in a directory of its own; `remove` deletes both. */
  static create(): EffectsFile {
    return new EffectsFile(join(mkdtempSync(join(tmpdir(), 'reprise-effects-')), 'effects'))
  }

  add(kind: EffectKind, run: string, node: string, attempt: number, detail = ''): void {
    appendFileSync(this.path, `${kind} ${run} ${node} ${attempt} ${process.pid} ${detail}\n`)
  }

  read(): Effect[] {
    if (!existsSync(this.path)) return []
    const lines = readFileSync(this.path, 'utf8').split('\n').slice(0, -1)
    return lines.map((line) => {
      const [kind = '', run = '', node = '', attempt = '', pid = '', detail = ''] = line.split(' ')
      // Trust border: `add` wrote the line.
      return {
        kind: kind as EffectKind,
        run,
        node,
        attempt: Number(attempt),
        pid: Number(pid),
        detail,
      }
    })
  }

  /** The effects of one kind, as `node#attempt`. */
  of(kind: EffectKind): string[] {
    return this.read()
      .filter((effect) => effect.kind === kind)
      .map(({ node, attempt }) => `${node}#${attempt}`)
  }

  remove(): void {
    rmSync(join(this.path, '..'), { recursive: true, force: true })
  }
}
