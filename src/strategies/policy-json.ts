import type { Duration } from '../core/duration.ts'
import { DefinitionError } from '../core/errors.ts'
import type { Json } from '../core/json.ts'
import { buildPolicy } from './build-policy.ts'
import { buildChain, buildRules } from './compose.ts'
import { buildNamed } from './define-policy.ts'
import { type DataMatcher, type Matcher, matcherText } from './matchers.ts'
import { quote } from './option-schemas.ts'
import type {
  ConstantOptions,
  DecorrelatedOptions,
  ExponentialOptions,
  FibonacciOptions,
  LinearOptions,
  NoneOptions,
  PolicyOptions,
  PolynomialOptions,
} from './policy-options.ts'
import { type PolicyKind, policySchemas } from './policy-schema.ts'
import type { DelayPolicy, DelaySpec, NoneSpec, Policy } from './policy-types.ts'
import type { SumPart } from './sum-backoff.ts'

/** A policy as `policyToJson` writes it: every field is there, durations are ms, `maxRetries: null` is no limit. */
export type PolicyJson =
  | NoneSpec
  | (DelaySpec & {
      readonly retryOn?: readonly DataMatcher[]
      readonly abortOn?: readonly DataMatcher[]
    })
  | {
      readonly kind: 'rules'
      readonly rules: readonly { readonly on?: readonly DataMatcher[]; readonly use: PolicyJson }[]
    }
  | { readonly kind: 'chain'; readonly policies: readonly PolicyJson[] }
  | { readonly name: string; readonly options: Json }

/** Limits of which null, as `Infinity`, is none. */
type Limit = 'maxRetries' | 'maxInterruptions' | 'maxTotalAttempts'

type WithLimits<Options> = Omit<Options, Limit> & {
  readonly [limit in Limit & keyof Options]?: number | null | undefined
}

type AsData<Options> = WithLimits<Omit<Options, 'retryOn' | 'abortOn' | 'when'>> & {
  readonly retryOn?: readonly DataMatcher[] | undefined
  readonly abortOn?: readonly DataMatcher[] | undefined
}

/**
 * A policy as plain JSON, as any language can write it: the name of the constructor and its options, with the same
 * names and defaults, such as `{ "kind": "exponential", "delay": "1s", "maxRetries": 5, "retryOn": ["5xx"] }`; or a
 * plug-in's name and its options, such as `{ "name": "http-aware", "options": { "max": 5 } }`.
 */
export type PolicyData =
  | ({ readonly kind: 'none' } & WithLimits<NoneOptions>)
  | ({ readonly kind: 'constant' } & AsData<ConstantOptions>)
  | ({ readonly kind: 'linear' } & AsData<LinearOptions>)
  | ({ readonly kind: 'exponential' } & AsData<ExponentialOptions>)
  | ({ readonly kind: 'polynomial' } & AsData<PolynomialOptions>)
  | ({ readonly kind: 'fibonacci' } & AsData<FibonacciOptions>)
  | ({ readonly kind: 'decorrelated' } & AsData<DecorrelatedOptions>)
  | ({ readonly kind: 'schedule'; readonly delays: readonly Duration[] } & AsData<PolicyOptions>)
  | ({ readonly kind: 'sum'; readonly parts: readonly SumPart[] } & AsData<PolicyOptions>)
  | {
      readonly kind: 'rules'
      readonly rules: readonly {
        readonly on?: readonly DataMatcher[] | undefined
        readonly use: PolicyData
      }[]
    }
  | { readonly kind: 'chain'; readonly policies: readonly PolicyData[] }
  | { readonly name: string; readonly options?: Json | undefined }

/**
 * Writes a policy as plain data, to be sent.
 *
 * @throws DefinitionError that names the function or class that can't be sent
 */
export function policyToJson(policy: Policy): PolicyJson {
  switch (policy.type) {
    case 'none':
      return policy.spec
    case 'delay':
      return delayToJson(policy)
    case 'named':
      return { name: policy.name, options: policy.options }
    case 'chain':
      return { kind: 'chain', policies: policy.policies.map(policyToJson) }
    case 'rules':
      return {
        kind: 'rules',
        rules: policy.rules.map(({ on, use }) => ({
          ...(on && { on: toData('on', on) }),
          use: policyToJson(use),
        })),
      }
  }
}

function delayToJson({ spec, retryOn, abortOn, when }: DelayPolicy): PolicyJson {
  if (when !== null) {
    throw new DefinitionError(
      "when: a function can't be sent with a run; give this policy to the task, the node or the flow",
    )
  }
  return {
    ...spec,
    ...(retryOn && { retryOn: toData('retryOn', retryOn) }),
    ...(abortOn && { abortOn: toData('abortOn', abortOn) }),
  }
}

const MAX_DEPTH = 10

/**
 * Reads a policy that was sent, by this package or by hand in any language.
 *
 * @param where what is being read, for the error
 * @throws DefinitionError that says what was expected and what was got
 */
export function policyFromJson(data: unknown, where = 'retry', depth = 0): Policy {
  if (depth > MAX_DEPTH) {
    throw new DefinitionError(`${where}: policies are nested more than ${MAX_DEPTH} levels deep`)
  }
  const { kind, ...options } = { kind: undefined, ...recordOf(data, where, 'a policy') }
  if (kind === undefined && 'name' in options) return namedFromJson(options, where)
  if (kind === 'rules') return rulesFromJson(options, where, depth)
  if (kind === 'chain') return chainFromJson(options, where, depth)
  if (!isPolicyKind(kind)) {
    const known = [...Object.keys(policySchemas), 'rules', 'chain'].join(', ')
    throw new DefinitionError(
      `${where}: expected kind to be one of ${known}, or a plug-in's name as { name }, got ${quote(kind)}`,
    )
  }
  const policy = buildPolicy(kind, options, `${where} (${kind})`)
  policyToJson(policy)
  return policy
}

function namedFromJson(data: object, where: string): Policy {
  const { name, options, ...others } = { name: undefined, options: undefined, ...data }
  refuseOthers(others, `${where} (name)`)
  return buildNamed(name, options, where)
}

function rulesFromJson(data: object, where: string, depth: number): Policy {
  const { rules, ...others } = { rules: undefined, ...data }
  refuseOthers(others, `${where} (rules)`)
  const read = listOfData(rules, `${where}.rules`).map((rule, i) => {
    const place = `${where}.rules[${i}]`
    const { use, ...rest } = { use: undefined, ...recordOf(rule, place, 'a rule') }
    return { ...rest, use: policyFromJson(use, `${place}.use`, depth + 1) }
  })
  const policy = buildRules(read, `${where} (rules)`)
  policyToJson(policy)
  return policy
}

function chainFromJson(data: object, where: string, depth: number): Policy {
  const { policies, ...others } = { policies: undefined, ...data }
  refuseOthers(others, `${where} (chain)`)
  const read = listOfData(policies, `${where}.policies`).map((policy, i) =>
    policyFromJson(policy, `${where}.policies[${i}]`, depth + 1),
  )
  return buildChain(read, `${where} (chain)`)
}

function refuseOthers(others: object, where: string): void {
  const [unknown] = Object.keys(others)
  if (unknown !== undefined) {
    throw new DefinitionError(`${where}: Unrecognized key: ${JSON.stringify(unknown)}`)
  }
}

function recordOf(data: unknown, where: string, what: string): object {
  if (typeof data === 'object' && data !== null && !Array.isArray(data)) return data
  throw new DefinitionError(`${where}: expected ${what} as an object, got ${quote(data)}`)
}

function listOfData(data: unknown, where: string): readonly unknown[] {
  if (Array.isArray(data)) return data
  throw new DefinitionError(`${where}: expected a list, got ${quote(data)}`)
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
