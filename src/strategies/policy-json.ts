import type { Duration } from '../core/duration.ts'
import { DefinitionError } from '../core/errors.ts'
import { type DataMatcher, type Matcher, matcherText } from './matchers.ts'
import { quote } from './option-schemas.ts'
import { buildPolicy, type Policy, type PolicySpec } from './policy.ts'
import type {
  ConstantOptions,
  ExponentialOptions,
  LinearOptions,
  NoneOptions,
  PolicyOptions,
} from './policy-options.ts'
import { type PolicyKind, policySchemas } from './policy-schema.ts'

/** A policy as `policyToJson` writes it: every field is there, durations are ms, `maxRetries: null` is no limit. */
export type PolicyJson = PolicySpec & {
  readonly retryOn?: readonly DataMatcher[]
  readonly abortOn?: readonly DataMatcher[]
}

type AsData<Options extends PolicyOptions> = Omit<
  Options,
  'maxRetries' | 'retryOn' | 'abortOn' | 'when'
> & {
  /** Null, as `Infinity`, is no limit. */
  readonly maxRetries?: number | null | undefined
  readonly retryOn?: readonly DataMatcher[] | undefined
  readonly abortOn?: readonly DataMatcher[] | undefined
}

/**
 * A policy as plain JSON, as any language can write it: the name of the constructor and its options, with the same
 * names and defaults, such as `{ "kind": "exponential", "delay": "1s", "maxRetries": 5, "retryOn": ["5xx"] }`.
 */
export type PolicyData =
  | ({ readonly kind: 'none' } & NoneOptions)
  | ({ readonly kind: 'constant' } & AsData<ConstantOptions>)
  | ({ readonly kind: 'linear' } & AsData<LinearOptions>)
  | ({ readonly kind: 'exponential' } & AsData<ExponentialOptions>)
  | ({ readonly kind: 'schedule'; readonly delays: readonly Duration[] } & AsData<PolicyOptions>)

/**
 * Writes a policy as plain data, to be sent.
 *
 * @throws DefinitionError that names the function or class that can't be sent
 */
export function policyToJson(policy: Policy): PolicyJson {
  if (policy.when !== null) {
    throw new DefinitionError(
      "when: a function can't be sent with a run; give this policy to the task, the node or the flow",
    )
  }
  return {
    ...policy.spec,
    ...(policy.retryOn && { retryOn: toData('retryOn', policy.retryOn) }),
    ...(policy.abortOn && { abortOn: toData('abortOn', policy.abortOn) }),
  }
}

/**
 * Reads a policy that was sent, by this package or by hand in any language.
 *
 * @param where what is being read, for the error
 * @throws DefinitionError that says what was expected and what was got
 */
export function policyFromJson(data: unknown, where = 'retry'): Policy {
  if (typeof data !== 'object' || data === null || Array.isArray(data)) {
    throw new DefinitionError(`${where}: expected a policy as an object, got ${quote(data)}`)
  }
  const { kind, ...options } = { kind: undefined, ...data }
  if (!isPolicyKind(kind)) {
    const known = Object.keys(policySchemas).join(', ')
    throw new DefinitionError(`${where}: expected kind to be one of ${known}, got ${quote(kind)}`)
  }
  const policy = buildPolicy(kind, options, `${where} (${kind})`)
  policyToJson(policy)
  return policy
}

function isPolicyKind(kind: unknown): kind is PolicyKind {
  return typeof kind === 'string' && Object.hasOwn(policySchemas, kind)
}

function toData(option: string, matchers: readonly Matcher[]): DataMatcher[] {
  return matchers.map((matcher) => {
    if (typeof matcher !== 'function') return matcher
    const name = matcherText(matcher)
    throw new DefinitionError(
      `${option}: the class ${name} can't be sent with a run; write its name, '${name}'`,
    )
  })
}
