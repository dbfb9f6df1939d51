import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { describeWithRedis } from '../setup/namespace.ts'
import { useRedis } from './driver.ts'
import { holder, LimitsDriver } from './shared-limits-driver.ts'

const redis = useRedis()
const KEY = 'k'
const LEASE_MS = 60_000
const NAMES = ['a', 'b', 'c', 'd'] as const
/** What the test itself may take, in a lease's time. */
const MARGIN_MS = 20_000

type Step =
  | { readonly do: 'ask' | 'release' | 'renew' | 'vanish'; readonly who: number }
  | { readonly do: 'wait'; readonly ms: number }

const who = fc.nat(NAMES.length - 1)
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 10, arbitrary: fc.record({ do: fc.constant('ask' as const), who }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constantFrom('release', 'renew'), who }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('vanish' as const), who }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('wait' as const),
      ms: fc.constantFrom(10_000, 30_000, 70_000),
    }),
  },
)

/** Attempts that ask for one lock; what each believes that it has. */
class Contenders {
  readonly #driver = new LimitsDriver(redis(), LEASE_MS)
  /** Until when, by the time that has passed. */
  readonly #leases = new Map<string, number>()
  /** Who has had it, and given it back. */
  readonly done = new Set<string>()
  /** Their processes are dead: they ask for nothing, and give nothing back. */
  readonly #dead = new Set<string>()
  #now = 0

  async perform(taken: Step): Promise<void> {
    if (taken.do === 'wait') return await this.#pass(taken.ms)
    const name = NAMES[taken.who] ?? ''
    if (this.#dead.has(name) || this.done.has(name)) return
    if (taken.do === 'ask') await this.#ask(name)
    if (taken.do === 'release' && this.#leases.has(name)) await this.#release(name)
    if (taken.do === 'renew' && this.#leases.has(name)) await this.#renew(name)
    if (taken.do === 'vanish') this.#dead.add(name)
  }

  /** Everybody who lives goes on asking until he has had it, and so does one who comes last. */
  async finish(): Promise<void> {
    const living = [...NAMES.filter((name) => !this.#dead.has(name)), 'last']
    for (let round = 0; living.some((name) => !this.done.has(name)); round++) {
      if (round > 10 * NAMES.length) throw new Error(`some never got it: ${living}`)
      for (const name of living) {
        if (this.done.has(name)) continue
        await this.#ask(name)
        if (this.#leases.has(name)) await this.#release(name)
      }
      await this.#pass(30_000)
    }
  }

  async #ask(name: string): Promise<void> {
    const answer = await this.#driver.lock(KEY, name)
    if (answer !== 'go') return
    for (const [other, until] of this.#leases) {
      if (other !== name && until - this.#now > MARGIN_MS) {
        throw new Error(`${name} got it, and ${other} had it for ${until - this.#now} ms more`)
      }
    }
    this.#leases.set(name, this.#now + LEASE_MS)
  }

  async #release(name: string): Promise<void> {
    await this.#driver.release(KEY, name)
    this.#leases.delete(name)
    this.done.add(name)
  }

  async #renew(name: string): Promise<void> {
    const answer = await this.#driver.limits.renewLock(KEY, holder(name))
    if (answer === 'ok') this.#leases.set(name, this.#now + LEASE_MS)
    else this.#leases.delete(name)
  }

  async #pass(ms: number): Promise<void> {
    await this.#driver.passTime(ms)
    this.#now += ms
  }
}

describeWithRedis('a lock', () => {
  test('is never two’s, and comes to all who go on asking, whatever happens', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 10, maxLength: 60, size: 'max' }),
        async (steps) => {
          const contenders = new Contenders()
          for (const taken of steps) await contenders.perform(taken)
          await contenders.finish()
          expect(contenders.done).toContain('last')
        },
      ),
      { numRuns: 100 },
    )
  }, 240_000)
})
