import { Command } from 'commander'
import type { PreviewOptions } from '../../strategies/preview.ts'
import { type RetryOption, toPolicy } from '../../strategies/shorthand.ts'
import { parseCount, parseJsonArgument } from '../argument-parsers.ts'
import { previewTable } from '../view/preview-table.ts'

interface PreviewArguments {
  readonly retries: number
  readonly run?: string
  readonly node?: string
  readonly samples?: number
  readonly error?: unknown
  readonly json?: true
}

/** `reprise policy …`: retry policies, without a Redis. */
export function policyCommand(): Command {
  return new Command('policy').description('look at retry policies').addCommand(previewCommand())
}

/** `reprise policy preview <spec>`: the delays of a policy, exactly for a run and node, or their spread. */
function previewCommand(): Command {
  const readSpec = parseJsonArgument('<spec>')
  return new Command('preview')
    .description("show a policy's delays: exactly for a run and a node, or their spread over many")
    .argument('<spec>', `a policy as JSON, such as 5 or '{"kind":"linear","delay":"5s"}'`, readSpec)
    .option('--retries <n>', 'how many retries to show', parseCount(1, 10_000), 10)
    .option('--run <id>', 'the run (its root, if it is a rerun); with --node')
    .option('--node <key>', 'the node; with --run')
    .option('--samples <n>', 'over how many runs the spread is taken', parseCount(1, 100_000))
    .option(
      '--error <json>',
      'the error, for rules, such as {"status":429}',
      parseJsonArgument('--error'),
    )
    .option('--json', 'print the numbers (ms) as JSON')
    .action((spec: unknown, { retries, json, ...options }: PreviewArguments) => {
      // Trust border: toPolicy and preview check what they are given.
      const policy = toPolicy(spec as RetryOption, 'spec')
      const shown = policy.preview(retries, options as PreviewOptions)
      console.log(json ? JSON.stringify(shown, null, 2) : previewTable(shown))
    })
}
