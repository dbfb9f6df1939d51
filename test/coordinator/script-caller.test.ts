import { expect, onTestFinished, test } from 'vitest'
import { connectRedis, type RedisConnection } from '../../src/coordinator/connection.ts'
import { ScriptCaller } from '../../src/coordinator/script-caller.ts'
import { loadMoves, readFragment, type Script } from '../../src/coordinator/scripts.ts'
import { describeWithServer, startServer } from '../cli/redis/fixtures.ts'
import { describeWithRedis, testNamespace } from '../setup/namespace.ts'
import { useRedis } from './driver.ts'

const redis = useRedis()

/** A script that no other test has loaded. */
function newScript(): Script {
  const mark = testNamespace()
  return loadMoves((name) => `${readFragment(name)}\n-- ${mark}\n`)
}

const KEY = '{script-caller}/live'
const RESUME = ['{script-caller}', 1_000, 1_000, 1, 'resume', 1, 1, 'no-such-run']
const REFUSED = [2, 'refused', 'no_run']

describeWithRedis(
  'a script',
  () => {
    test('is a Redis Function, loaded by the first call of many', async () => {
      const script = newScript()
      const { connection, commands } = listen(redis())
      const caller = new ScriptCaller(connection, script)
      const answers = await Promise.all([1, 2, 3].map(() => caller.call(KEY, RESUME)))
      expect(answers).toEqual([REFUSED, REFUSED, REFUSED])
      expect(await caller.call(KEY, RESUME)).toEqual(REFUSED)
      expect(commands.filter((name) => name === 'function')).toHaveLength(1)
      expect(commands).not.toContain('evalsha')
    })

    test('that another process loaded meanwhile is not loaded twice', async () => {
      const script = newScript()
      const callers = [1, 2, 3].map(() => new ScriptCaller(redis(), script))
      const answers = await Promise.all(callers.map((caller) => caller.call(KEY, RESUME)))
      expect(answers).toEqual([REFUSED, REFUSED, REFUSED])
    })

    test('is loaded again when Redis has lost it, and its moves are made once', async () => {
      const script = newScript()
      const caller = new ScriptCaller(redis(), script)
      await caller.call(KEY, RESUME)
      await redis().function('DELETE', script.functionName)
      const run = testNamespace()
      expect(await caller.call(KEY, cancel('{script-caller}', run))).toEqual([3, 'ok', '', ''])
      expect(await redis().hget(`{script-caller}/run:${run}`, 's')).toBe('C')
    })

    test('remembers nothing of the call before: neither its prefix nor its time', async () => {
      const caller = new ScriptCaller(redis(), loadMoves())
      const times: number[] = []
      for (const prefix of ['{script-caller-a}', '{script-caller-b}']) {
        const run = testNamespace()
        await caller.call(`${prefix}/live`, cancel(prefix, run))
        times.push(Number(await redis().hget(`${prefix}/run:${run}`, 'at')))
        while ((await now()) <= (times.at(-1) ?? 0)) await redis().ping()
      }
      expect(times[0]).toBeGreaterThan(0)
      expect(times[1]).toBeGreaterThan(times[0] ?? 0)
    })

    test.each(['-fcall', '-function', '-fcall -function'])(
      'goes by EVALSHA where the user may not use Functions: %s',
      async (rules) => {
        const script = newScript()
        const limited = await connectAs(rules)
        const { connection, commands } = listen(limited)
        const caller = new ScriptCaller(connection, script)
        expect(await caller.call(KEY, RESUME)).toEqual(REFUSED)
        expect(commands.at(-1)).toBe('eval')
        commands.length = 0
        expect(await caller.call(KEY, RESUME)).toEqual(REFUSED)
        expect(commands).toEqual(['evalsha'])
        await redis().script('FLUSH')
        expect(await caller.call(KEY, RESUME)).toEqual(REFUSED)
      },
    )

    test('is refused as Redis refuses it, and asked again in the same way', async () => {
      const { connection, commands } = listen(redis())
      const caller = new ScriptCaller(connection, loadMoves())
      await expect(
        caller.call(KEY, ['{script-caller}'].concat(Array(5).fill('x'))),
      ).rejects.toThrow(/attempt to|arithmetic/)
      expect(await caller.call(KEY, RESUME)).toEqual(REFUSED)
      expect(commands).not.toContain('evalsha')
    })
  },
  { needs: 'real' },
)

describeWithServer('a Redis without Functions, as 6.2 is', () => {
  test('gets plain scripts', async () => {
    const without = ['FCALL', 'FUNCTION'].flatMap((name) => ['--rename-command', name, ''])
    const server = await startServer(...without)
    const own = connectRedis(server.url, 'patient')
    onTestFinished(() => own.disconnect())
    const { connection, commands } = listen(own)
    const caller = new ScriptCaller(connection, loadMoves())
    expect(await caller.call(KEY, RESUME)).toEqual(REFUSED)
    expect(await caller.call(KEY, RESUME)).toEqual(REFUSED)
    expect(commands).toEqual(['fcall', 'evalsha', 'eval', 'evalsha'])
  })
})

/** The arguments of a call that cancels a run which nobody has opened. */
function cancel(prefix: string, run: string): (string | number)[] {
  return [prefix, 60_000, 60_000, 1, 'cancel', 1, 1, run]
}

async function now(): Promise<number> {
  const [seconds, micros] = await redis().time()
  return Math.floor((Number(seconds) * 1e6 + Number(micros)) / 1_000)
}

/** A connection of a user of its own, with all rights but some. */
async function connectAs(rules: string): Promise<RedisConnection> {
  const name = testNamespace()
  await redis().acl('SETUSER', name, 'on', '>secret', '+@all', '~*', '&*', ...rules.split(' '))
  const connection = redis().duplicate({ username: name, password: 'secret' })
  onTestFinished(async () => {
    connection.disconnect()
    await redis().acl('DELUSER', name)
  })
  return connection
}

/** Tells the names of the commands that go through a connection. */
function listen(target: RedisConnection): { connection: RedisConnection; commands: string[] } {
  const commands: string[] = []
  const connection = new Proxy(target, {
    get(_, name) {
      const value: unknown = Reflect.get(target, name)
      if (typeof value !== 'function') return value
      return (...args: unknown[]) => {
        commands.push(String(name))
        return value.apply(target, args)
      }
    },
  })
  return { connection, commands }
}
