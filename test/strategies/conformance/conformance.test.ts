import { z } from 'zod'
import { definePolicy, policy, type RetryOption } from '../../../src/index.ts'
import { toPolicy } from '../../../src/strategies/shorthand.ts'
import { HttpError } from '../failed-attempt.ts'
import { describePolicyConformance, type PolicyUnderTest } from './conformance.ts'

const SECOND = 1_000
const HOUR = 3_600_000

const patient = definePolicy({
  name: 'patient',
  options: z.object({ max: z.int().min(0) }),
  decide: async ({ retryNumber, random }, { max }) =>
    retryNumber < max
      ? { retryIn: 1_000 * random, priority: { delta: 1 }, reason: 'patience' }
      : null,
})

// Every constructor, with every jitter and every limit somewhere.
const POLICIES: readonly (readonly [string, PolicyUnderTest])[] = [
  ...(
    [
      ['a number', 5],
      ['no limit', true],
      ['no retries', false],
      ['constant', { kind: 'constant', delay: '5s', maxRetries: null }],
      ['constant, plusMinus', { kind: 'constant', delay: '5s', jitter: 'plusMinus' }],
      ['linear', { kind: 'linear', delay: '1s', start: 'zero', jitter: 'equal', maxRetries: null }],
      [
        'linear, plusMinus',
        { kind: 'linear', delay: '40m', jitter: 'plusMinus', maxRetries: null, maxDelay: '1h' },
      ],
      ['exponential, power', { kind: 'exponential', delay: '3s', form: 'power', maxRetries: null }],
      ['exponential, dagster', { kind: 'exponential', form: 'dagster', maxRetries: null }],
      ['polynomial', { kind: 'polynomial', delay: '1s', exponent: 4, maxRetries: null }],
      [
        'fibonacci',
        { kind: 'fibonacci', delay: '1s', jitter: { proportional: 0.5 }, maxRetries: null },
      ],
      [
        'schedule',
        { kind: 'schedule', delays: ['1s', '1m'], jitter: { clampedPoisson: 2 }, maxRetries: null },
      ],
      ['decorrelated', { kind: 'decorrelated', delay: '1s', maxRetries: null }],
      [
        'sum',
        {
          kind: 'sum',
          parts: [
            { kind: 'constant', delay: '9s' },
            { kind: 'fibonacci', delay: 5 },
          ],
        },
      ],
      [
        'maxTotalAttempts',
        { kind: 'constant', delay: '1s', maxRetries: null, maxTotalAttempts: 4 },
      ],
    ] satisfies (readonly [string, RetryOption])[]
  ).map(([name, retry]) => [name, { policy: toPolicy(retry), maxDelayMs: HOUR }] as const),
  [
    'matchers and a predicate',
    {
      policy: policy.exponential({
        retryOn: [HttpError],
        abortOn: [TypeError],
        kinds: ['error'],
        when: async ({ random }) => random < 0.5,
        maxDelay: '10s',
      }),
      maxDelayMs: 10 * SECOND,
      errors: [new TypeError('no'), new RangeError('no')],
      isLocal: true,
    },
  ],
  [
    'rules',
    {
      policy: policy.rules([
        { on: [429], use: policy.constant({ delay: '1m', maxRetries: 10 }) },
        { on: ['4xx'], use: policy.none() },
        { use: policy.exponential({ maxRetries: 5 }) },
      ]),
      maxDelayMs: 60 * SECOND,
      errors: [new HttpError(429), new HttpError(404), new Error('other')],
    },
  ],
  [
    'chain',
    {
      policy: policy.chain(
        policy.constant({ delay: '1s', maxRetries: 3 }),
        policy.rules([
          { on: ['5xx'], use: policy.decorrelated({ delay: '1s', maxRetries: 4 }) },
          { use: policy.none() },
        ]),
        policy.constant({ delay: '10m' }),
      ),
      maxDelayMs: HOUR,
      errors: [new Error('other')],
    },
  ],
  ['a plug-in', { policy: patient({ max: 3 }), maxDelayMs: SECOND, plugins: [patient] }],
  [
    'a plug-in by name, in a chain',
    {
      policy: policy.chain(
        policy.constant({ delay: 5, maxRetries: 2 }),
        policy.named('patient', { max: 7 }),
      ),
      maxDelayMs: SECOND,
      plugins: [patient],
    },
  ],
]

for (const [name, under] of POLICIES) describePolicyConformance(name, under)
