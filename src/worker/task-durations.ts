/** Only tasks whose attempts take less than this on average share tickets; unknown ones travel alone. */
const SHORT_MS = 5
/** The weight of the newest attempt in the mean. */
const WEIGHT = 0.1

/** What this process has learned of how long its tasks take: whether nodes may share a ticket. */
export class TaskDurations {
  readonly #means = new Map<string, number>()

  record(task: string, durationMs: number): void {
    const mean = this.#means.get(task)
    this.#means.set(task, mean === undefined ? durationMs : mean + WEIGHT * (durationMs - mean))
  }

  /** False for a task that this process has not executed yet. */
  isShort(task: string): boolean {
    const mean = this.#means.get(task)
    return mean !== undefined && mean < SHORT_MS
  }
}
