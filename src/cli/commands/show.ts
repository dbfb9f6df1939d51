import { Command } from 'commander'
import { readGlobalOptions } from '../global-options.ts'
import { follow } from '../view/follow.ts'
import { queuedText } from '../view/opening-hint.ts'
import { reportRun } from '../view/run-report.ts'
import { thisTerminal } from '../view/terminal.ts'
import { withProducer } from '../with-producer.ts'
import { withRuns } from '../with-runs.ts'

interface ShowArguments {
  readonly watch?: true
  readonly json?: true
  readonly queue?: string
}

/** `reprise show <run>`: a run's nodes, attempts, errors and decisions. */
export function showCommand(): Command {
  return new Command('show')
    .description("show a run's nodes, attempts, errors and decisions")
    .argument('<run>', "the run's id")
    .option('--watch', 'follow the run until it ends')
    .option('--json', 'print what is stored, as JSON')
    .option('--queue <name>', 'where its job waits until a worker takes it (default: default)')
    .action(async (runId: string, options: ShowArguments, command: Command) => {
      const globals = readGlobalOptions(command)
      const { queue } = options
      const terminal = thisTerminal()
      if (options.watch) {
        await withProducer(globals, (producer) =>
          follow(producer.run(runId, queue), terminal, queue),
        )
      }
      const run = await withRuns(globals, (runs) => runs.get(runId, { queue }))
      if (options.json) {
        const { graph: _graph, ...stored } = run
        console.log(JSON.stringify(stored, null, 2))
      } else if (run.openedAt === null) {
        console.log(queuedText(run))
      } else {
        console.log(reportRun(run, Date.now(), terminal))
      }
    })
}
