import type { ClaimAnswer } from '../coordinator/answers.ts'
import type { CreatingRerun } from '../coordinator/creating-rerun.ts'
import type { Delivery, Slots } from '../coordinator/moves.ts'
import { copyChunks, leftIn } from '../coordinator/rerun-copy.ts'
import type { Reruns } from '../coordinator/reruns.ts'
import type { RunReader } from '../coordinator/run-reader.ts'
import type { NodeSnapshot } from '../coordinator/run-snapshot.ts'
import { RepriseError } from '../core/errors.ts'
import type { RecordedDecision } from '../core/failure.ts'
import type { Rerun } from '../core/lineage.ts'
import type { CompiledGraph } from '../flow/compile.ts'
import { templateOf } from '../flow/instances.ts'
import { planRerun, type RerunPlan, startsOf } from '../flow/rerun-plan.ts'
import type { StoredRunOptions } from '../producer/envelope.ts'
import { namedError } from './attempt-end.ts'
import { companySize } from './company.ts'
import type { DeliveredJob } from './delivered-job.ts'
import type { DeliveryEnd } from './delivery-end.ts'
import type { Graphs } from './graphs.ts'
import {
  announceOpening,
  crashLimits,
  isRetried,
  type OpenSurroundings,
  rootsFor,
  tasksAt,
} from './open-run.ts'
import { formatIndices } from './repeated-nodes.ts'
import { parseRunOptions } from './run-options.ts'

/** What opening a rerun needs of its worker. */
export interface RerunSurroundings extends OpenSurroundings {
  readonly graphs: Graphs
  readonly reruns: Reruns
  readonly reader: RunReader
}

/**
 * Opens a rerun (R21): plans it, copies what it reuses, and claims the first of its nodes. The run that it repeats doesn't
 * change any more, so every delivery that comes here makes the same plan, and one that comes after a lost one copies anew.
 */
export async function openRerun(
  around: RerunSurroundings,
  job: DeliveredJob,
  delivery: Delivery,
  slots: Slots,
): Promise<ClaimAnswer | DeliveryEnd> {
  const { reruns, coordinator } = around
  const creating = await reruns.readCreating(delivery.runId)
  if (!creating) return await coordinator.claim(delivery, slots)
  if (!(await reruns.hasGraph(creating.graph))) {
    return await refuse(around, creating, delivery, slots, 'its graph is not stored any more')
  }
  const { graph } = await around.graphs.get(creating.graph)
  const options = parseRunOptions(creating.options)
  const { rerun } = options
  if (!rerun) throw new RepriseError('internal', `the rerun ${creating.runId} has no record`)
  const earlier =
    rerun.strategy === 'all' && rerun.by === 'retry' ? [] : await nodesOf(around, creating)
  if (!earlier) {
    return await refuse(around, creating, delivery, slots, `the run ${creating.from} is gone`)
  }
  const plan = planRerun(graph.graph, earlier, rerun.strategy)
  const copied = await copyAll(around, delivery, graph, plan, earlier)
  if (copied === 'lease') return { kind: 'lost' }
  if (copied === 'changed') return await coordinator.claim(delivery, slots)
  if (copied === 'expired') {
    const gone = `results of the run ${creating.from} that it would reuse are gone`
    return await refuse(around, creating, delivery, slots, gone)
  }
  const indices = startsOf(graph.graph, plan, earlier)
  const { queue, priority } = job
  const claim = await reruns.open(delivery, slots, {
    graph: creating.graph,
    left: leftIn(graph.graph, plan),
    starts: rootsFor(graph, indices, { queue, priority }),
    grain: companySize(around, tasksAt(graph, indices), options),
    options: JSON.stringify(withRepeated(options, rerun, creating.runId, plan, earlier)),
    rootId: rerun.rootId,
    maxCrashes: crashLimits(graph, options),
    isRetried: isRetried(options),
  })
  if (claim.status !== 'refused') announceOpening(around, job, creating.runId, creating.flow)
  return claim
}

async function nodesOf(
  { reader }: RerunSurroundings,
  { from }: CreatingRerun,
): Promise<readonly NodeSnapshot[] | null> {
  const run = await reader.read(from)
  return run === null ? null : run.nodes
}

async function copyAll(
  { reruns }: RerunSurroundings,
  delivery: Delivery,
  { graph }: CompiledGraph,
  plan: RerunPlan,
  earlier: readonly NodeSnapshot[],
): Promise<Awaited<ReturnType<Reruns['copy']>>> {
  const states = earlier.map(({ state }) => state)
  for (const chunk of copyChunks(graph, plan, states)) {
    const answer = await reruns.copy(delivery, chunk)
    if (answer !== 'ok') return answer
  }
  return 'ok'
}

/** Nodes that had succeeded and are executed again because a person asked for it: their work is new. */
function withRepeated(
  options: StoredRunOptions,
  rerun: Rerun,
  runId: string,
  plan: RerunPlan,
  earlier: readonly NodeSnapshot[],
): StoredRunOptions {
  if (rerun.by === 'retry') return options
  const executed = earlier.filter(({ index }) => plan[templateOf(index)]?.action === 'execute')
  const [done, others] = [true, false].map((isDone) =>
    executed.filter(({ state }) => (state === 'succeeded') === isDone).map(({ index }) => index),
  )
  if (!done?.length) return options
  const nodes = formatIndices(done, others ?? [])
  const repeated = [...(rerun.repeated ?? []), { run: runId, nodes }]
  return { ...options, rerun: { ...rerun, repeated } }
}

async function refuse(
  { reruns, coordinator, logger }: RerunSurroundings,
  { runId, from }: CreatingRerun,
  delivery: Delivery,
  slots: Slots,
  problem: string,
): Promise<ClaimAnswer | DeliveryEnd> {
  const message = `the rerun ${runId} of ${from} can't be opened: ${problem}; enqueue a new run instead`
  const error = namedError('ResultExpired', message)
  const decision: RecordedDecision = { action: 'stop', reason: 'result_expired', detail: message }
  const reason = JSON.stringify({ reason: 'result_expired', error })
  const answer = await reruns.refuse(delivery, reason, decision)
  if (answer === 'lease') return { kind: 'lost' }
  // A delivery before this one opened it after all: what it holds is to be executed.
  if (answer === 'run_exists') return await coordinator.claim(delivery, slots)
  logger.warn({ runId, from, problem }, 'a rerun could not be opened')
  return { kind: 'failed', message }
}
