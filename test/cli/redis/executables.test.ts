import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { findExecutable, runCommand } from '../../../src/cli/redis/executables.ts'
import { machineWith } from './fixtures.ts'

describe('findExecutable', () => {
  test('finds the first of the names, wherever on PATH it is', () => {
    const valkey = machineWith({ 'valkey-server': '' })
    const redis = machineWith({ 'redis-server': '' })
    const both = { ...valkey, env: { PATH: `${valkey.env.PATH}:${redis.env.PATH}` } }
    expect(findExecutable(both, 'redis-server', 'valkey-server')).toBe(
      join(redis.cwd, 'redis-server'),
    )
  })

  test('passes over what may not be executed', () => {
    const machine = machineWith({ docker: '' })
    chmodSync(join(machine.cwd, 'docker'), 0o644)
    expect(findExecutable(machine, 'docker')).toBeNull()
  })

  test('finds nothing without a PATH', () => {
    expect(findExecutable({ ...machineWith(), env: {} }, 'sh')).toBeNull()
  })
})

describe('runCommand', () => {
  const machine = machineWith()
  const run = (script: string, timeoutMs = 5_000) =>
    runCommand(machine, '/bin/sh', ['-c', script], timeoutMs)

  test('gives the output', async () => {
    expect(await run('echo hello')).toEqual({ status: 'ok', output: 'hello' })
  })

  test('gives the last line of the complaint as the reason', async () => {
    const result = await run('echo first >&2; echo last >&2; exit 3')
    expect(result).toEqual({ status: 'failed', reason: 'last' })
  })

  test('gives the reason of a program that is not there', async () => {
    const result = await runCommand(machine, '/nowhere', [], 5_000)
    expect(result).toMatchObject({ status: 'failed', reason: expect.stringContaining('ENOENT') })
  })

  test('kills a program that takes too long', async () => {
    const result = await run('exec /bin/sleep 60', 100)
    expect(result).toEqual({ status: 'failed', reason: 'no answer within 0.1 s' })
  })
})
