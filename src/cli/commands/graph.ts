import { writeFile } from 'node:fs/promises'
import { Command, Option } from 'commander'
import { RepriseError } from '../../core/errors.ts'
import { type Drawing, drawFlow } from '../../drawing/drawing.ts'
import { renderMermaid } from '../../drawing/mermaid.ts'
import { renderSvg } from '../../drawing/svg.ts'
import { renderTerminal } from '../../drawing/terminal.ts'
import type { AnyFlow } from '../../flow/flow.ts'
import { type GlobalOptions, readGlobalOptions } from '../global-options.ts'
import { loadModules } from '../load-modules.ts'
import { colorByState } from '../view/node-state.ts'
import { queuedText } from '../view/opening-hint.ts'
import { runDrawing } from '../view/run-drawing.ts'
import { thisTerminal } from '../view/terminal.ts'
import { withRuns } from '../with-runs.ts'

const FORMATS = ['terminal', 'mermaid', 'svg'] as const

interface GraphArguments {
  readonly modules?: readonly string[]
  readonly run?: string
  readonly queue?: string
  readonly format: (typeof FORMATS)[number]
  readonly out?: string
}

/** `reprise graph <flow> --modules <files>` and `reprise graph --run <id>`: the graph of a flow, or the state of a run. */
export function graphCommand(): Command {
  return new Command('graph')
    .description('draw the graph of a flow, or a run with the states of its nodes')
    .argument('[flow]', "the flow's name; not needed where the modules export one flow only")
    .option('--modules <files...>', 'the modules that export the flow')
    .option('--run <id>', 'draw this run')
    .option(
      '--queue <name>',
      "where the run's job waits until a worker takes it (default: default)",
    )
    .addOption(
      new Option('--format <name>', 'what to draw with').choices(FORMATS).default('terminal'),
    )
    .option('--out <file>', 'write to a file')
    .action(async (flow: string | undefined, options: GraphArguments, command: Command) => {
      const drawing =
        options.run === undefined
          ? await flowDrawing(flow, options.modules ?? [])
          : await readRunDrawing(readGlobalOptions(command), options.run, flow, options)
      const text = render(drawing, options)
      if (options.out === undefined) console.log(text)
      else await writeFile(options.out, `${text}\n`)
    })
}

async function flowDrawing(name: string | undefined, modules: readonly string[]): Promise<Drawing> {
  if (modules.length === 0) {
    throw new RepriseError(
      'options',
      'expected --modules <files>, the modules that export the flow, or --run <id>',
    )
  }
  const { flows } = await loadModules(modules)
  return drawFlow(findFlow(flows, name).graph)
}

function findFlow(flows: readonly AnyFlow[], name: string | undefined): AnyFlow {
  const found = name === undefined ? flows : flows.filter((flow) => flow.name === name)
  const [flow] = found
  if (flow && found.length === 1) return flow
  const names = flows.map((one) => one.name).join(', ') || 'none'
  throw new RepriseError(
    'unknown_flow',
    name === undefined
      ? `expected the name of a flow; the modules export the flows: ${names}`
      : `the modules export no flow ${name}; they export the flows: ${names}`,
  )
}

async function readRunDrawing(
  globals: GlobalOptions,
  runId: string,
  flow: string | undefined,
  { modules, queue }: GraphArguments,
): Promise<Drawing> {
  if (flow !== undefined || modules !== undefined) {
    throw new RepriseError(
      'options',
      'expected either a flow or --run <id>: a run is drawn with the graph that it was opened with',
    )
  }
  const run = await withRuns(globals, (runs) => runs.get(runId, { queue }))
  if (run.openedAt === null) {
    throw new RepriseError('unknown_run', `there is no graph yet: ${queuedText(run)}`)
  }
  const { graph, refusal } = run
  if (graph) return runDrawing({ ...run, graph }, Date.now())
  throw new RepriseError(
    'unknown_run',
    `run ${runId} has no graph: it was refused (${refusal?.reason}): ${refusal?.error.message}`,
  )
}

// What is written to a file or a pipe may be this wide.
const PLAIN_COLUMNS = 120

function render(drawing: Drawing, { format, out }: GraphArguments): string {
  switch (format) {
    case 'mermaid':
      return renderMermaid(drawing)
    case 'svg':
      return renderSvg(drawing)
    case 'terminal': {
      const { colors } = thisTerminal({ plain: out !== undefined })
      const columns = out === undefined ? process.stdout.columns : undefined
      return renderTerminal(drawing, {
        columns: columns ?? PLAIN_COLUMNS,
        paint: (state, text) => (state === null ? text : colorByState(colors, state, text)),
      })
    }
  }
}
