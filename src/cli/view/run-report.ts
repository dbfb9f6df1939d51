import type { LoggedAttempt } from '../../coordinator/run-record.ts'
import type { NodeSnapshot, RunSnapshot } from '../../coordinator/run-snapshot.ts'
import type { Rerun } from '../../core/lineage.ts'
import { isWorkNode } from '../../flow/graph.ts'
import { durationText } from './duration-text.ts'
import { decisionText, failureText } from './failure-text.ts'
import { headLine, keyWidthOf, nodeLine } from './node-line.ts'
import type { Terminal } from './terminal.ts'

/**
 * A run as text: every node that workers execute, and of every failed attempt when it was, its error, and what was decided.
 *
 * @param now epoch ms
 */
export function reportRun(run: RunSnapshot, now: number, { colors }: Terminal): string {
  const nodes = run.nodes.filter(isWorkNode)
  const width = keyWidthOf(nodes)
  const { refusal } = run
  return [
    headLine(run, now, colors),
    `opened ${new Date(run.openedAt).toISOString()}`,
    ...parentLines(run),
    ...lineageLines(run),
    ...(refusal ? [`refused (${refusal.reason}): ${refusal.error.message}`] : []),
    '',
    ...nodes.flatMap((node) => [
      nodeLine(node, width, { now, frame: 0 }, colors),
      ...waitLine(node),
      ...node.log.flatMap((entry) => attemptLines(entry, run.openedAt)),
      ...run.children
        .filter((child) => child.node === node.key)
        .map((child) => `      started run ${child.runId}  ${child.flow}  (${child.key})`),
    ]),
  ].join('\n')
}

function parentLines({ parent, rootId }: RunSnapshot): string[] {
  if (parent === null) return []
  const root = rootId === parent.runId ? '' : `, whose root is ${rootId}`
  return [`started by ${parent.node} of run ${parent.runId}${root}`]
}

function lineageLines(run: RunSnapshot): string[] {
  const { rerun, reruns, retriedBy, willRetry, retryDecision } = run
  const isPending = willRetry && retriedBy === null
  return [
    ...(rerun ? [`repeats run ${rerun.of} (${rerunText(rerun)})`] : []),
    ...(isPending ? ['whether it is retried as a whole is being decided'] : []),
    ...(retryDecision ? [`the run as a whole: ${decisionText(retryDecision)}`] : []),
    ...reruns.map((id) => (id === retriedBy ? `retried by run ${id}` : `repeated by run ${id}`)),
  ]
}

function rerunText({ by, retryNumber, strategy }: Rerun): string {
  const what = strategy === 'all' ? 'everything' : 'from the failure'
  return by === 'hand' ? `${what}, by hand` : `${what}, automatic retry ${retryNumber}`
}

function waitLine({ waitingSince, dueAt }: NodeSnapshot): string[] {
  if (dueAt === null) return []
  const due = new Date(dueAt).toISOString()
  if (waitingSince === null) return [`      due ${due}`]
  return [`      waits since ${new Date(waitingSince).toISOString()}, looks again ${due}`]
}

function attemptLines(entry: LoggedAttempt, openedAt: number): string[] {
  const since = `+${((entry.startedAt - openedAt) / 1_000).toFixed(2)}s`
  if (entry.kind === 'retried') return [`      retried by hand at ${since}`]
  const time = durationText(entry.endedAt - entry.startedAt)
  const line = `      attempt ${entry.attempt} at ${since}, ${time}: ${failureText(entry)}`
  return entry.decision ? [line, `        ${decisionText(entry.decision)}`] : [line]
}
