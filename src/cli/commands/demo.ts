import { Argument, Command } from 'commander'
import { parseCount, parseDuration } from '../argument-parsers.ts'
import { Owned } from '../demo/owned.ts'
import { type DemoOptions, runDemo } from '../demo/run-demo.ts'
import { SCENARIOS, type ScenarioName } from '../demo/scenarios.ts'
import { readGlobalOptions } from '../global-options.ts'
import { exitCodeOf, waitForSignal } from '../signal-wait.ts'
import { type Terminal, thisTerminal } from '../view/terminal.ts'

interface DemoArguments {
  readonly install?: true
  readonly failures: number
  readonly expensive: number
  readonly plain?: true
}

// Not the users' own, so that the demo's workers leave their runs alone.
const DEMO_NAMESPACE = 'reprise-demo'

/** `reprise demo`: runs an example with a Redis, two workers and a service of its own, and leaves nothing running. */
export function demoCommand(): Command {
  return new Command('demo')
    .description('run an example with real processes, live in the terminal')
    .addArgument(
      new Argument('[example]', 'which one')
        .choices(Object.keys(SCENARIOS))
        .default('retry-example'),
    )
    .option('--install', 'allow apt-get install redis-server (needs root)')
    .option('--failures <n>', 'how many requests the service refuses', parseCount(0, 1_000), 2)
    .option('--expensive <duration>', 'how long the payload takes', parseDuration, 3_000)
    .option('--plain', 'one line for each event, no escape codes')
    .action(async (scenario: ScenarioName, options: DemoArguments, command: Command) => {
      const { givenRedis, givenNamespace } = readGlobalOptions(command)
      const { install = false, failures, expensive: expensiveMs, plain = false } = options
      const namespace = givenNamespace ?? DEMO_NAMESPACE
      const demo = { scenario, install, failures, expensiveMs, givenRedis, namespace }
      await runUntilSignal(demo, thisTerminal({ plain }))
    })
}

async function runUntilSignal(options: DemoOptions, terminal: Terminal): Promise<void> {
  const owned = new Owned()
  const wait = waitForSignal()
  try {
    const signal = await Promise.race([
      runDemo(options, owned, terminal).then(() => null),
      wait.signal,
    ])
    if (signal === null) return
    await owned.release()
    console.log(`\n${signal}: what was started is ended`)
    // What the demo was just waiting for may never come.
    process.exit(exitCodeOf(signal))
  } finally {
    wait.release()
    await owned.release()
  }
}
