import { Command } from 'commander'
import { readGlobalOptions } from '../global-options.ts'
import { machineWithRedis } from '../machine-with-redis.ts'
import { provisionRedis } from '../redis/provision-redis.ts'
import type { ProvisionedRedis } from '../redis/provisioned-redis.ts'
import { waitForSignal } from '../signal-wait.ts'

interface UpArguments {
  readonly install?: true
  readonly dataDir?: string
}

/** `reprise up`: finds or starts a Redis, and keeps what it started until Ctrl-C. */
export function upCommand(): Command {
  return new Command('up')
    .description('find a Redis or start one, and keep it running until Ctrl-C')
    .option('--install', 'allow apt-get install redis-server (needs root)')
    .option(
      '--data-dir <folder>',
      'where a Redis that is started keeps its data (default: .reprise/redis)',
    )
    .action(async (options: UpArguments, command: Command) => {
      await keepUp(options, readGlobalOptions(command).givenRedis)
    })
}

async function keepUp(options: UpArguments, givenRedis: string | null): Promise<void> {
  const wait = waitForSignal()
  try {
    const redis = await provisionRedis(
      { ...options, onNotice: console.error },
      machineWithRedis(givenRedis),
    )
    present(redis)
    if (redis.source === 'url') return
    console.error('Ctrl-C stops it.')
    await wait.signal
    await redis.stop()
    console.error('Redis is stopped.')
  } finally {
    wait.release()
  }
}

/** The URL alone goes to standard output, for scripts. */
function present({ url, description, notices }: ProvisionedRedis): void {
  for (const notice of notices) console.error(notice)
  console.error(description)
  console.log(url)
}
