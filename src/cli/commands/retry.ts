import { Command } from 'commander'
import { readGlobalOptions } from '../global-options.ts'
import { withRuns } from '../with-runs.ts'

/** `reprise retry <run> [node]`: executes failed nodes again in their run. */
export function retryCommand(): Command {
  return new Command('retry')
    .description('execute failed nodes of a run again, in the run itself')
    .argument('<run>', "the run's id")
    .argument('[node]', "a failed node's key (default: all that have failed)")
    .action(async (runId: string, node: string | undefined, _options, command: Command) => {
      await withRuns(readGlobalOptions(command), (runs) => runs.retry(runId, node))
      console.log(`retried ${node ?? 'what had failed'} in run ${runId}`)
    })
}
