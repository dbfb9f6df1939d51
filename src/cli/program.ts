import { Command } from 'commander'
import { demoCommand } from './commands/demo.ts'
import { doctorCommand } from './commands/doctor.ts'
import { enqueueCommand } from './commands/enqueue.ts'
import { graphCommand } from './commands/graph.ts'
import { policyCommand } from './commands/policy.ts'
import { rerunCommand } from './commands/rerun.ts'
import { retryCommand } from './commands/retry.ts'
import { showCommand } from './commands/show.ts'
import { upCommand } from './commands/up.ts'
import { workerCommand } from './commands/worker.ts'
import { addGlobalOptions } from './global-options.ts'
import { readPackageInfo } from './package-info.ts'

/** The whole command line, ready to parse arguments. */
export function createProgram(): Command {
  const { version, description } = readPackageInfo()
  const program = new Command('reprise')
    .description(description)
    .version(version)
    .showHelpAfterError('(see reprise --help)')
    .configureHelp({ showGlobalOptions: true })
  addGlobalOptions(program)
  program.addCommand(demoCommand())
  program.addCommand(upCommand())
  program.addCommand(workerCommand())
  program.addCommand(enqueueCommand())
  program.addCommand(showCommand())
  program.addCommand(rerunCommand())
  program.addCommand(retryCommand())
  program.addCommand(graphCommand())
  program.addCommand(doctorCommand())
  program.addCommand(policyCommand())
  return program
}
