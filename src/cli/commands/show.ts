import { Command } from 'commander'
import { readGlobalOptions } from '../global-options.ts'
import { follow } from '../view/follow.ts'
import { openingHint } from '../view/opening-hint.ts'
import { reportRun } from '../view/run-report.ts'
import { thisTerminal } from '../view/terminal.ts'
import { withProducer } from '../with-producer.ts'

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
      await withProducer(readGlobalOptions(command), async (producer) => {
        const run = producer.run(runId, options.queue)
        const terminal = thisTerminal()
        if (options.watch) await follow(run, terminal, options.queue)
        const snapshot = await run.read()
        if (options.json) {
          const { graph: _graph, ...stored } = snapshot ?? { id: runId, state: await run.state() }
          console.log(JSON.stringify(stored, null, 2))
        } else if (snapshot) {
          console.log(reportRun(snapshot, Date.now(), terminal))
        } else {
          console.log(await openingHint(run, options.queue))
        }
      })
    })
}
