import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Producer, type RunHandle, type RunSnapshot } from 'reprise'
import { flows } from './flows.ts'

/** How hard a storm blows. */
export interface StormOptions {
  readonly url: string
  readonly namespace: string
  readonly kills: number
  readonly stops: number
  /** Runs that are live at a time. */
  readonly liveRuns: number
}

/** What a storm left behind. Every count of `violations` must be 0. */
export interface StormReport {
  readonly kills: number
  readonly stops: number
  readonly runs: number
  readonly attempts: number
  readonly crashes: number
  readonly retries: number
  /** From the last fault to the end of the last run. */
  readonly drainMs: number
  readonly violations: {
    /** Runs that were not final in time, or did not succeed. */
    readonly unfinished: number
    /** Nodes whose success was settled twice. */
    readonly settledTwice: number
    /** Attempts that began after their node's success was settled. */
    readonly startedAfterSuccess: number
    /** Attempt numbers that were started twice. */
    readonly startedTwice: number
    /** Nodes whose history has a gap, or more or fewer attempts than were granted. */
    readonly gaps: number
    /** Effects that history doesn't know. */
    readonly unknownEffects: number
  }
}

const PROCESSES = 3
const STOP_MS = 2_600
/** How long a process works before a fault may hit it. */
const WORK_MS = 700
const DRAIN_MS = 60_000

/** Kills and freezes worker processes by pid while they work, and compares what they did with what is stored. */
export async function storm(options: StormOptions): Promise<StormReport> {
  const directory = mkdtempSync(join(tmpdir(), 'reprise-storm-'))
  const effects = join(directory, 'effects.log')
  writeFileSync(effects, '')
  const fleet = new Fleet([options.url, options.namespace, effects])
  const producer = new Producer({ redis: options.url, namespace: options.namespace })
  const feeder = new Feeder(producer, options.liveRuns)
  try {
    for (let i = 0; i < PROCESSES; i++) fleet.start()
    feeder.start()
    await sleep(3_000)
    await blow(fleet, options)
    await feeder.stop()
    const lastFault = performance.now()
    const snapshots = await drain(feeder.runs)
    const drainMs = performance.now() - lastFault
    // Zombies that were frozen wake up and try to settle: give them the time to do harm.
    await sleep(STOP_MS + 500)
    return { ...fleet.faults, drainMs, ...judge(snapshots, readFileSync(effects, 'utf8')) }
  } finally {
    fleet.killAll()
    await producer.close()
    rmSync(directory, { recursive: true, force: true })
  }
}

async function blow(fleet: Fleet, { kills, stops }: StormOptions): Promise<void> {
  while (fleet.faults.kills < kills || fleet.faults.stops < stops) {
    await sleep(150 + Math.random() * 250)
    const mayStop = fleet.faults.stops < stops
    if (mayStop && (fleet.faults.kills >= kills || Math.random() < 0.15)) fleet.freezeOne()
    else fleet.killOne()
  }
}

class Fleet {
  readonly faults = { kills: 0, stops: 0 }
  readonly #args: readonly string[]
  readonly #processes = new Map<ChildProcess, { readySince: number; frozen: boolean }>()

  constructor(args: readonly string[]) {
    this.#args = args
  }

  start(): void {
    const script = fileURLToPath(new URL('./storm-process.ts', import.meta.url))
    const child = spawn(process.execPath, ['--import', 'tsx', script, ...this.#args], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    const facts = { readySince: Number.POSITIVE_INFINITY, frozen: false }
    child.once('message', () => {
      facts.readySince = performance.now()
    })
    this.#processes.set(child, facts)
  }

  killOne(): void {
    const child = this.#pick()
    if (!child) return
    this.#processes.delete(child)
    child.kill('SIGKILL')
    this.faults.kills += 1
    this.start()
  }

  freezeOne(): void {
    const child = this.#pick()
    const facts = child && this.#processes.get(child)
    if (!child || !facts) return
    facts.frozen = true
    child.kill('SIGSTOP')
    this.faults.stops += 1
    setTimeout(() => {
      child.kill('SIGCONT')
      facts.frozen = false
    }, STOP_MS)
  }

  killAll(): void {
    for (const child of this.#processes.keys()) child.kill('SIGKILL')
  }

  // Only processes that have had the time to take work.
  #pick(): ChildProcess | undefined {
    const ready = [...this.#processes].filter(
      ([, { readySince, frozen }]) => !frozen && performance.now() - readySince > WORK_MS,
    )
    return ready[Math.floor(Math.random() * ready.length)]?.[0]
  }
}

class Feeder {
  readonly runs: RunHandle[] = []
  readonly #producer: Producer
  readonly #liveRuns: number
  #live = 0
  #stopped: boolean = false
  #feeding: Promise<void> = Promise.resolve()

  constructor(producer: Producer, liveRuns: number) {
    this.#producer = producer
    this.#liveRuns = liveRuns
  }

  start(): void {
    this.#feeding = this.#feed()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await this.#feeding
  }

  async #feed(): Promise<void> {
    while (!this.#stopped) {
      while (this.#live < this.#liveRuns) {
        const flow = flows[this.runs.length % flows.length]
        if (!flow) return
        const run = await this.#producer.enqueue(flow, { run: this.runs.length })
        this.runs.push(run)
        this.#live += 1
        const ended = () => {
          this.#live -= 1
        }
        run.result().then(ended, ended)
      }
      await sleep(50)
    }
  }
}

async function drain(runs: readonly RunHandle[]): Promise<(RunSnapshot | null)[]> {
  const deadline = performance.now() + DRAIN_MS
  const snapshots: (RunSnapshot | null)[] = []
  for (const run of runs) {
    let snapshot = await run.read()
    while (snapshot?.state !== 'succeeded' && performance.now() < deadline) {
      await sleep(100)
      snapshot = await run.read()
    }
    snapshots.push(snapshot)
  }
  return snapshots
}

type Judgement = Omit<StormReport, 'kills' | 'stops' | 'drainMs'>

function judge(snapshots: readonly (RunSnapshot | null)[], effects: string): Judgement {
  const history = new Map<string, number>()
  let unfinished = 0
  let gaps = 0
  let crashes = 0
  let retries = 0
  for (const run of snapshots) {
    if (run?.state !== 'succeeded') unfinished += 1
    for (const node of run?.nodes ?? []) {
      if (node.kind !== 'task') continue
      history.set(`${run?.id} ${node.key}`, node.attempts)
      const numbers = node.log.map(({ attempt }) => attempt)
      const expected = Array.from({ length: Math.max(0, node.attempts - 1) }, (_, i) => i + 1)
      if (node.state === 'succeeded' && numbers.join() !== expected.join()) gaps += 1
      crashes += node.log.filter(({ kind }) => kind === 'crash').length
      retries += node.log.filter(({ kind }) => kind === 'error').length
    }
  }
  const attempts = [...history.values()].reduce((sum, count) => sum + count, 0)
  const seen = judgeEffects(effects, history)
  const violations = { unfinished, gaps, ...seen }
  return { runs: snapshots.length, attempts, crashes, retries, violations }
}

function judgeEffects(effects: string, history: ReadonlyMap<string, number>) {
  const started = new Set<string>()
  const succeeded = new Map<string, number>()
  const seen = { settledTwice: 0, startedAfterSuccess: 0, startedTwice: 0, unknownEffects: 0 }
  // A kill can cut the last line that a process writes; that one is no effect.
  for (const line of effects.split('\n')) {
    const [what, runId, node, attemptText, outcome] = line.split(' ')
    const key = `${runId} ${node}`
    const attempt = Number(attemptText)
    if (what === 'start') {
      const before = succeeded.get(key)
      if (before !== undefined && attempt > before) seen.startedAfterSuccess += 1
      if (started.has(`${key} ${attempt}`)) seen.startedTwice += 1
      started.add(`${key} ${attempt}`)
      if (attempt > (history.get(key) ?? 0)) seen.unknownEffects += 1
    } else if (what === 'end' && outcome === 'S') {
      if (succeeded.has(key)) seen.settledTwice += 1
      succeeded.set(key, attempt)
    }
  }
  return seen
}
