import { appendFileSync } from 'node:fs'
import { pino } from 'pino'
import { Worker } from 'reprise'
import { flows } from './flows.ts'

const [url = '', namespace = '', effects = ''] = process.argv.slice(2)
const write = (...words: (string | number)[]) => appendFileSync(effects, `${words.join(' ')}\n`)

const worker = new Worker({
  redis: url,
  namespace,
  flows,
  queues: { default: { concurrency: 20 } },
  leaseDuration: '1500ms',
  stalledInterval: '500ms',
  logger: pino({ level: 'silent' }),
  hooks: {
    onAttemptStarted: ({ runId, node, attempt }) => write('start', runId, node, attempt),
    onAttemptEnded: ({ runId, node, attempt, failure }) =>
      write('end', runId, node, attempt, failure ? 'F' : 'S'),
  },
})

await worker.ready()
process.send?.('ready')
