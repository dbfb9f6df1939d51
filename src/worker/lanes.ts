import type { Permits } from './permits.ts'

/** Work that has been done; what follows from it goes on beside the next. */
export interface Done {
  readonly followUp: Promise<void>
}

/**
 * Does work side by side, as much at once as there are permits. On each permit, a lane, the next piece begins when the one
 * before it is done, so that the follow-ups of what is done in one tick come together. A lane ends when nothing waits and
 * none of its follow-ups has brought more.
 */
export class Lanes<Work> {
  readonly #permits: Permits
  readonly #perform: (work: Work) => Promise<Done>
  readonly #waiting: Work[] = []
  readonly #lanes: Promise<void>[] = []
  #running = 0
  /** Lanes that wait for follow-ups: they go on with what comes of them. */
  #resting = 0

  /** `perform` and its follow-ups never reject. */
  constructor(permits: Permits, perform: (work: Work) => Promise<Done>) {
    this.#permits = permits
    this.#perform = perform
  }

  /** Begins with `held` permits, one at least. All but one have gone back when it resolves. */
  async run(works: readonly Work[], held: number): Promise<void> {
    this.#waiting.push(...works)
    this.#start(held)
    for (let i = 0; i < this.#lanes.length; i++) await this.#lanes[i]
  }

  /** More work, while it runs: for lanes that rest, and for as many more as there are free permits. */
  add(works: readonly Work[]): void {
    this.#waiting.push(...works)
    const wanted = this.#waiting.length - this.#resting
    if (wanted > 0) this.#start(this.#permits.tryTake(wanted))
  }

  /** Nothing more is begun. */
  clear(): void {
    this.#waiting.length = 0
  }

  #start(count: number): void {
    for (let i = 0; i < count; i++) this.#lanes.push(this.#lane())
  }

  async #lane(): Promise<void> {
    this.#running += 1
    let followUps: Promise<void>[] = []
    for (;;) {
      const next = this.#waiting.shift()
      if (next !== undefined) followUps.push((await this.#perform(next)).followUp)
      else if (followUps.length === 0) break
      else {
        this.#resting += 1
        await Promise.all(followUps)
        this.#resting -= 1
        followUps = []
      }
    }
    this.#running -= 1
    // The last permit stays with the caller.
    if (this.#running > 0) this.#permits.release()
  }
}
