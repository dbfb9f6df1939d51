import type { Redis } from 'ioredis'
import type { Scenario } from './scenario.ts'

/** One measured execution of a scenario. */
export interface Sample {
  readonly tasksPerSecond: number
  /** Calls of scripts and Functions per task. */
  readonly scripts: number
  /** Bytes in and out of Redis per task. */
  readonly bytes: number
  /** µs of Redis' CPU per task. */
  readonly redisMicros: number
  /** µs of this process' CPU per task. */
  readonly nodeMicros: number
}

/** Executes a scenario once and measures it, enqueue included. */
export async function measure(redis: Redis, scenario: Scenario, tasks: number): Promise<Sample> {
  const runs = Math.max(1, Math.round(tasks / scenario.tasksPerRun))
  const begin = { counters: await counters(redis), cpu: process.cpuUsage(), at: performance.now() }
  const end = { counters: begin.counters, cpu: begin.cpu, at: begin.at }
  await scenario.execute(runs, {
    started: async () => {
      Object.assign(begin, { counters: await counters(redis), cpu: process.cpuUsage() })
      begin.at = performance.now()
    },
    ended: async () => {
      end.at = performance.now()
      end.cpu = process.cpuUsage(begin.cpu)
      end.counters = await counters(redis)
    },
  })
  const seconds = (end.at - begin.at) / 1_000
  const { counters: before } = begin
  const { counters: after, cpu } = end
  const done = runs * scenario.tasksPerRun
  return {
    tasksPerSecond: done / seconds,
    scripts: (after.scripts - before.scripts) / done,
    bytes: (after.bytes - before.bytes) / done,
    redisMicros: (after.cpuMicros - before.cpuMicros) / done,
    nodeMicros: (cpu.user + cpu.system) / done,
  }
}

interface Counters {
  readonly scripts: number
  readonly bytes: number
  readonly cpuMicros: number
}

async function counters(redis: Redis): Promise<Counters> {
  const info = await redis.info('stats', 'cpu', 'commandstats')
  const read = (pattern: RegExp) => Number(pattern.exec(info)?.[1] ?? 0)
  return {
    scripts: ['evalsha', 'eval', 'fcall']
      .map((name) => read(new RegExp(`cmdstat_${name}:calls=(\\d+)`)))
      .reduce((sum, calls) => sum + calls),
    bytes: read(/total_net_input_bytes:(\d+)/) + read(/total_net_output_bytes:(\d+)/),
    cpuMicros: (read(/used_cpu_user:([\d.]+)/) + read(/used_cpu_sys:([\d.]+)/)) * 1e6,
  }
}

/** The middle value of a list. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}

/** The value below which a share of the values lies. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}
