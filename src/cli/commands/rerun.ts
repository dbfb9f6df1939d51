import { Command } from 'commander'
import { readGlobalOptions } from '../global-options.ts'
import { withRuns } from '../with-runs.ts'

interface RerunArguments {
  readonly all?: true
}

/** `reprise rerun <run>`: repeats an ended run by a new one, whose id it prints. */
export function rerunCommand(): Command {
  return new Command('rerun')
    .description('repeat an ended run by a new one, from its failure; prints its id')
    .argument('<run>', "the run's id")
    .option('--all', 'execute every node, also those that succeeded')
    .action(async (runId: string, { all }: RerunArguments, command: Command) => {
      const strategy = all ? 'all' : 'from-failure'
      const { id } = await withRuns(readGlobalOptions(command), (runs) =>
        runs.rerun(runId, { strategy }),
      )
      console.log(id)
    })
}
