import { describe, expect, test } from 'vitest'
import { AttemptAbort, AttemptAborted, RunningAttempts } from '../../src/worker/aborts.ts'

const lost = new AttemptAborted('lease_lost', 'the lease of this attempt was lost')
const shutdown = new AttemptAborted('shutdown', 'the worker is shutting down')

/** What became of promises whose rejection nobody handled: such a one ends the process. */
async function unhandledDuring(act: () => Promise<unknown>): Promise<unknown[]> {
  const unhandled: unknown[] = []
  const listeners = process.listeners('unhandledRejection')
  process.removeAllListeners('unhandledRejection')
  const remember = (reason: unknown) => unhandled.push(reason)
  process.on('unhandledRejection', remember)
  try {
    await act()
    await new Promise((resolve) => setTimeout(resolve, 20))
  } finally {
    process.off('unhandledRejection', remember)
    for (const listener of listeners) process.on('unhandledRejection', listener)
  }
  return unhandled
}

describe('AttemptAbort', () => {
  test('gives the result of a handler that ends first', async () => {
    expect(await new AttemptAbort().race(() => 1)).toBe(1)
    expect(await new AttemptAbort().race(async () => 2)).toBe(2)
  })

  test('rejects with the abort when the handler ignores it', async () => {
    const attempt = new AttemptAbort()
    const racing = attempt.race(() => new Promise(() => {}))
    attempt.abort(lost)
    await expect(racing).rejects.toBe(lost)
    expect(attempt.signal.reason).toBe(lost)
  })

  test('keeps the first of two aborts', async () => {
    const attempt = new AttemptAbort()
    const racing = attempt.race(() => new Promise(() => {}))
    attempt.abort(shutdown)
    attempt.abort(lost)
    await expect(racing).rejects.toBe(shutdown)
    expect(attempt.signal.reason).toBe(shutdown)
  })

  test('does not start a handler that was aborted before', async () => {
    const attempt = new AttemptAbort()
    attempt.abort(lost)
    let started = false
    const racing = attempt.race(() => {
      started = true
      return new Promise(() => {})
    })
    const late = new Promise((resolve) => setTimeout(() => resolve('still running'), 500))
    await expect(Promise.race([racing, late])).rejects.toBe(lost)
    expect(started).toBe(false)
  })

  test.for([
    {
      name: 'threw',
      handler: () => {
        throw new Error('broken')
      },
    },
    { name: 'rejected', handler: () => Promise.reject(new Error('broken')) },
    { name: 'returned', handler: () => 1 },
  ])(
    'leaves no rejection unhandled when it comes after a handler that $name',
    async ({ handler }) => {
      const unhandled = await unhandledDuring(async () => {
        const attempt = new AttemptAbort()
        await attempt.race(handler).catch(() => {})
        attempt.abort(shutdown)
      })
      expect(unhandled).toEqual([])
    },
  )

  test('leaves no rejection unhandled when the handler rejects after it', async () => {
    const unhandled = await unhandledDuring(async () => {
      const attempt = new AttemptAbort()
      const racing = attempt.race(() => {
        return new Promise((_, reject) => setTimeout(() => reject(new Error('late')), 5))
      })
      attempt.abort(shutdown)
      await racing.catch(() => {})
    })
    expect(unhandled).toEqual([])
  })

  test('aborts by its time limit, once started, and not after the end', async () => {
    const limited = new AttemptAbort()
    limited.startTimeout(5)
    await expect(limited.race(() => new Promise(() => {}))).rejects.toMatchObject({
      abortCause: 'timeout',
    })
    const quick = new AttemptAbort()
    quick.startTimeout(5)
    await quick.race(() => 1)
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(quick.signal.aborted).toBe(false)
  })
})

describe('RunningAttempts', () => {
  test('aborts the attempts of the job whose lease was lost, and no others', () => {
    const running = new RunningAttempts()
    const [mine, alsoMine, other] = [new AttemptAbort(), new AttemptAbort(), new AttemptAbort()]
    running.add('job', mine)
    running.add('job', alsoMine)
    running.add('other job', other)
    running.loseLease('job')
    running.loseLease('unknown job')
    const causes = [mine, alsoMine, other].map(({ signal }) => signal.reason?.abortCause)
    expect(causes).toEqual(['lease_lost', 'lease_lost', undefined])
  })

  test('interrupts everything that runs, and nothing that was removed', () => {
    const running = new RunningAttempts()
    const [one, two, gone] = [new AttemptAbort(), new AttemptAbort(), new AttemptAbort()]
    running.add('job', one)
    running.add('other job', two)
    running.add('job', gone)
    running.remove('job', gone)
    running.interruptAll()
    const causes = [one, two, gone].map(({ signal }) => signal.reason?.abortCause)
    expect(causes).toEqual(['shutdown', 'shutdown', undefined])
  })
})
