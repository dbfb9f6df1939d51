import { z } from 'zod'
import { DefinitionError } from '../core/errors.ts'
import { type Json, toJsonText } from '../core/json.ts'
import { sealPolicy } from './build-policy.ts'
import { checked, parseOptions, quote } from './option-schemas.ts'
import type { PolicyFailure } from './policy-failure.ts'
import { policySchemas } from './policy-schema.ts'
import type { NamedPolicy } from './policy-types.ts'
import type { RetryDecision } from './retry-decision.ts'

/** What `definePolicy` takes. */
export interface PolicyDefinition<Options extends z.ZodType> {
  /** 1 to 100 letters, digits, `.`, `_` and `-`: what `retry: { name, options }` refers to. */
  readonly name: string
  /** Workers announce it beside the name; for people who look at a fleet. */
  readonly version?: string | undefined
  /** Parses the options: when the policy is made, and in a worker when they came by name. */
  readonly options: Options
  /**
   * Asked after each failure that no error of its own decides (`NonRetryable`, `RetryRequested`). It may be async. If it
   * throws, takes longer than 5 s or gives anything else than a decision or null, the node fails with `policy_error`.
   *
   * @returns when, where and with which priority to retry; null to stop (`predicate_false`)
   */
  decide(
    failure: PolicyFailure,
    options: z.output<Options>,
  ): RetryDecision | null | Promise<RetryDecision | null>
}

/** A plug-in: called with its options it gives a policy. It is what `policies: [...]` of a worker takes. */
export interface PolicyPlugin<Input = never> {
  /** @throws DefinitionError that names each bad option */
  (options: Input): NamedPolicy
  readonly policyName: string
  /** Null when the definition has none. */
  readonly version: string | null
}

const NAME = /^[A-Za-z][A-Za-z0-9._-]{0,99}$/

/** The kinds of the JSON form: a plug-in of such a name would be taken for a policy that lacks its options. */
const RESERVED: readonly string[] = [...Object.keys(policySchemas), 'rules', 'chain']

const nameSchema = checked<string>(
  "a policy's name: 1 to 100 letters, digits, `.`, `_`, `-`, the first a letter",
  (value) => typeof value === 'string' && NAME.test(value),
).refine((name) => !RESERVED.includes(name), {
  error: (issue) =>
    `expected a plug-in's name, got ${quote(issue.input)}, which is a kind of policy: write { kind: ${quote(issue.input)}, … }`,
})

const definitionSchema = z.strictObject({
  name: nameSchema,
  version: z.string().min(1).max(100).optional(),
  options: checked<z.ZodType>('a zod schema', (value) => value instanceof z.ZodType),
  decide: checked<PolicyDefinition<z.ZodType>['decide']>(
    'a function',
    (value) => typeof value === 'function',
  ),
})

/**
 * Defines a policy of your own, to be registered by name: `new Worker({ policies: [httpAware] })`.
 *
 * @example
 * export const patient = definePolicy({
 *   name: 'patient',
 *   options: z.object({ max: z.int().default(5) }),
 *   decide: ({ retryNumber }, { max }) => (retryNumber < max ? { retryIn: '1m' } : null),
 * })
 * task({ name: 'ping', input, retry: patient({ max: 3 }) }, ping)
 * producer.enqueue(ping, { url }, { retry: { name: 'patient', options: { max: 3 } } })
 * @throws DefinitionError that names what is wrong in the definition
 */
export function definePolicy<Options extends z.ZodType>(
  definition: PolicyDefinition<Options>,
): PolicyPlugin<z.input<Options>> {
  const {
    name,
    version,
    options: schema,
    decide,
  } = parseOptions(definitionSchema, definition, 'definePolicy()')
  const plugin = (given: z.input<Options>): NamedPolicy => {
    const where = `policy ${name}`
    const options = parseOptions(schema, given, where)
    const bound = (failure: PolicyFailure) => decide(failure, options)
    return sealPolicy<NamedPolicy>({
      type: 'named',
      name,
      options: sendable(given, where),
      decide: bound,
    })
  }
  return Object.freeze(Object.assign(plugin, { policyName: name, version: version ?? null }))
}

/** A plug-in that is known by its name only. */
export function buildNamed(name: unknown, options: unknown = {}, where = 'policy'): NamedPolicy {
  return sealPolicy<NamedPolicy>({
    type: 'named',
    name: parseOptions(nameSchema, name, `${where}: name`),
    options: sendable(options, `${where} ${name}`),
    decide: null,
  })
}

/** Stands for a plug-in that can't be asked: whatever it is asked, it throws why. */
export function brokenPolicy(cause: unknown): NamedPolicy {
  const decide = () => {
    throw cause
  }
  return sealPolicy<NamedPolicy>({ type: 'named', name: 'policy', options: {}, decide })
}

function sendable(options: unknown, where: string): Json {
  const text = toJsonText(options, `${where}: options`)
  return JSON.parse(text)
}

/** True for what `definePolicy` returned, also that of another copy of this package. */
export function isPolicyPlugin(value: unknown): value is PolicyPlugin {
  return typeof value === 'function' && 'policyName' in value
}

/** @throws DefinitionError for anything but what `definePolicy` returned */
export function checkPlugin(value: unknown, where: string): PolicyPlugin {
  if (isPolicyPlugin(value)) return value
  throw new DefinitionError(`${where}: expected what definePolicy() returned, got ${quote(value)}`)
}
