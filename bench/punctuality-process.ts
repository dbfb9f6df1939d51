import { pino } from 'pino'
import { Worker } from 'reprise'
import { punctual } from './punctuality-flow.ts'

const [url = ''] = process.argv.slice(2)

new Worker({
  redis: url,
  namespace: 'punctuality',
  flows: [punctual],
  stalledInterval: '500ms',
  leaseDuration: '2s',
  logger: pino({ level: 'silent' }),
})
