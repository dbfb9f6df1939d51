import {
  dagsterPolicy,
  exponentialBackoff,
  prefectRetries,
  prefectTask,
  procrastinateStrategy,
} from '../../src/compat/index.ts'
import type { Policy } from '../../src/index.ts'

const linear = { delay: 1, backoff: 'LINEAR' } as const
const exponential = { delay: 1, backoff: 'EXPONENTIAL' } as const

const prefectJitter = (seconds: number, retryJitterFactor: number) =>
  prefectRetries({ retries: 3, retryDelaySeconds: seconds, retryJitterFactor })

/** The settings in `test/vectors/delays.json`, as they are written with our functions. */
export const FOREIGN_SETTINGS: ReadonlyMap<string, Policy> = new Map([
  ['RetryPolicy() (max_retries=1, delay unset)', dagsterPolicy()],
  ['delay=1', dagsterPolicy({ delay: 1 })],
  ['delay=1, LINEAR', dagsterPolicy(linear)],
  ['delay=1, EXPONENTIAL', dagsterPolicy(exponential)],
  ['delay=0.2, EXPONENTIAL', dagsterPolicy({ delay: 0.2, backoff: 'EXPONENTIAL' })],
  ['delay=0, EXPONENTIAL', dagsterPolicy({ delay: 0, backoff: 'EXPONENTIAL' })],
  ['delay=1, LINEAR, FULL', dagsterPolicy({ ...linear, jitter: 'FULL' })],
  ['delay=1, EXPONENTIAL, FULL', dagsterPolicy({ ...exponential, jitter: 'FULL' })],
  ['delay=1, FULL (no backoff)', dagsterPolicy({ delay: 1, jitter: 'FULL' })],
  ['delay=1, PLUS_MINUS (no backoff)', dagsterPolicy({ delay: 1, jitter: 'PLUS_MINUS' })],
  ['delay=1, LINEAR, PLUS_MINUS', dagsterPolicy({ ...linear, jitter: 'PLUS_MINUS' })],
  ['delay=1, EXPONENTIAL, PLUS_MINUS', dagsterPolicy({ ...exponential, jitter: 'PLUS_MINUS' })],
  [
    'delay=0.2, EXPONENTIAL, PLUS_MINUS',
    dagsterPolicy({ delay: 0.2, backoff: 'EXPONENTIAL', jitter: 'PLUS_MINUS' }),
  ],
  [
    'wait=0, linear_wait=0, exponential_wait=0',
    procrastinateStrategy({ wait: 0, linearWait: 0, exponentialWait: 0 }),
  ],
  ['wait=5', procrastinateStrategy({ wait: 5 })],
  ['linear_wait=7', procrastinateStrategy({ linearWait: 7 })],
  ['linear_wait=5', procrastinateStrategy({ linearWait: 5 })],
  ['exponential_wait=1', procrastinateStrategy({ exponentialWait: 1 })],
  ['exponential_wait=2', procrastinateStrategy({ exponentialWait: 2 })],
  ['exponential_wait=5', procrastinateStrategy({ exponentialWait: 5 })],
  [
    'wait=10, linear_wait=5, exponential_wait=2',
    procrastinateStrategy({ wait: 10, linearWait: 5, exponentialWait: 2 }),
  ],
  [
    'max_retries=3, retry_delay=timedelta(minutes=1)',
    prefectTask({ maxRetries: 3, retryDelay: 60 }),
  ],
  ['max_retries=2, retry_delay=timedelta(0)', prefectTask({ maxRetries: 2, retryDelay: 0 })],
  ['retry_delay_seconds=10', prefectRetries({ retries: 3, retryDelaySeconds: 10 })],
  ['retry_delay_seconds=1.5', prefectRetries({ retries: 3, retryDelaySeconds: 1.5 })],
  [
    'retry_delay_seconds=[2,3,5,7,11]',
    prefectRetries({ retries: 5, retryDelaySeconds: [2, 3, 5, 7, 11] }),
  ],
  [
    'retry_delay_seconds=[1,2], retries=3',
    prefectRetries({ retries: 3, retryDelaySeconds: [1, 2] }),
  ],
  ['retry_delay_seconds=None', prefectRetries({ retries: 3, retryDelaySeconds: null })],
  [
    'exponential_backoff(10), retries=3',
    prefectRetries({ retries: 3, retryDelaySeconds: exponentialBackoff(10) }),
  ],
  [
    'exponential_backoff(2), retries=4',
    prefectRetries({ retries: 4, retryDelaySeconds: exponentialBackoff(2) }),
  ],
  ['base=10 s, retry_jitter_factor=0.3', prefectJitter(10, 0.3)],
  ['base=10 s, retry_jitter_factor=0.5', prefectJitter(10, 0.5)],
  ['base=10 s, retry_jitter_factor=1', prefectJitter(10, 1)],
  ['base=10 s, retry_jitter_factor=9', prefectJitter(10, 9)],
  ['base=2 s, retry_jitter_factor=3', prefectJitter(2, 3)],
  ['base=42 s, retry_jitter_factor=100', prefectJitter(42, 100)],
])
