import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { useDocker } from '../../../src/cli/redis/docker.ts'
import { describeWithServer, machineWith, startServer } from './fixtures.ts'

const ENGINE_ANSWERS = 'version) echo 24.0.7 ;;'
const IMAGE_IS_THERE = 'image) echo sha256:1 ;;'

/** A `docker` client that writes down its commands and answers some; to all others it complains. */
function machineWithDocker(...answers: readonly string[]) {
  const script = `
    echo "$@" >> "$(dirname "$0")/commands"
    case "$1" in
      ${answers.join('\n')}
      *) echo "no $1 today" >&2; exit 1 ;;
    esac`
  const machine = machineWith({ docker: script })
  return {
    machine: { ...machine, env: { PATH: `${machine.cwd}:/usr/bin:/bin` } },
    commands: () => readFileSync(join(machine.cwd, 'commands'), 'utf8').trim().split('\n'),
  }
}

describe('useDocker', () => {
  const rows = [
    ['no engine answers', [], 'no Docker engine answers: no version today'],
    [
      'the image can not be pulled',
      [ENGINE_ANSWERS],
      "redis:7-alpine can't be pulled: no pull today",
    ],
    [
      'the container does not start',
      [ENGINE_ANSWERS, IMAGE_IS_THERE],
      'docker run failed: no run today',
    ],
  ] as const

  test.each(rows)('is skipped when %s', async (_name, answers, reason) => {
    const { machine } = machineWithDocker(...answers)
    expect(await useDocker(machine, () => {})).toEqual({ status: 'skipped', reason })
  })

  test('is skipped when there is no client', async () => {
    const outcome = await useDocker(machineWith(), () => {})
    expect(outcome).toEqual({ status: 'skipped', reason: 'docker is not on PATH' })
  })

  test('tells that it pulls', async () => {
    const notices: string[] = []
    await useDocker(machineWithDocker(ENGINE_ANSWERS).machine, (text) => notices.push(text))
    expect(notices).toEqual(['pulling the image redis:7-alpine…'])
  })

  test('stops a container whose port is unknown', async () => {
    const docker = machineWithDocker(ENGINE_ANSWERS, IMAGE_IS_THERE, 'run) echo c0ffee ;;')
    expect(await useDocker(docker.machine, () => {})).toMatchObject({ status: 'skipped' })
    expect(docker.commands()).toContain('stop c0ffee')
  })
})

describeWithServer('useDocker with a container that answers', () => {
  test('uses the published port, and stops the container once', async () => {
    const { url } = await startServer()
    const docker = machineWithDocker(
      ENGINE_ANSWERS,
      IMAGE_IS_THERE,
      'run) echo c0ffee ;;',
      `port) echo ${url.replace('redis://', '')} ;;`,
      'stop) ;;',
    )
    const outcome = await useDocker(docker.machine, () => {})
    expect(outcome).toMatchObject({ status: 'ready', redis: { url, source: 'docker' } })
    if (outcome.status === 'ready') await Promise.all([outcome.redis.stop(), outcome.redis.stop()])
    expect(docker.commands().filter((command) => command === 'stop c0ffee')).toHaveLength(1)
    expect(docker.commands().find((command) => command.startsWith('run '))).toContain(
      '-p 127.0.0.1:0:6379 redis:7-alpine redis-server --appendonly yes --appendfsync everysec',
    )
  })
})
