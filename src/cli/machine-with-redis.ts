import { type Machine, thisMachine } from './redis/machine.ts'

/** This machine, with the Redis that the user named by `--redis` or `REDIS_URL`, if he did. */
export function machineWithRedis(givenRedis: string | null): Machine {
  const machine = thisMachine()
  if (givenRedis === null) return machine
  return { ...machine, env: { ...machine.env, REDIS_URL: givenRedis } }
}
