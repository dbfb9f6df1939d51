import { DefinitionError } from '../core/errors.ts'
import type { EnqueueOptions } from '../flow/enqueue-options.ts'
import { type PolicyJson, policyToJson } from '../strategies/policy-json.ts'
import type { Policy } from '../strategies/policy-types.ts'
import { type RetryOption, toPolicy } from '../strategies/shorthand.ts'

/**
 * The policies of an enqueue, by the option that gives them: `retry`, `nodes.<key>.retry`.
 *
 * @throws DefinitionError when one is none
 */
export function readPolicies({
  retry,
  nodes = {},
}: Pick<EnqueueOptions, 'retry' | 'nodes'>): Map<string, Policy> {
  const given: [where: string, retry: RetryOption | undefined][] = [
    ['retry', retry],
    ...Object.entries(nodes).map(([key, node]): [string, RetryOption | undefined] => [
      nodeOption(key),
      node.retry,
    ]),
  ]
  return new Map(
    given.flatMap(([where, option]) =>
      option === undefined ? [] : [[where, toPolicy(option, where)]],
    ),
  )
}

/**
 * The policies of an enqueue as the data that is sent.
 *
 * @throws DefinitionError when one holds a function
 */
export function sentPolicies({ retry, nodes }: Pick<EnqueueOptions, 'retry' | 'nodes'>): {
  readonly retry?: PolicyJson
  readonly nodes?: Readonly<Record<string, { readonly retry?: PolicyJson }>>
} {
  const policies = readPolicies({ retry, nodes })
  const data = new Map([...policies].map(([where, policy]) => [where, policyData(policy, where)]))
  const forAll = data.get('retry')
  return {
    ...(forAll && { retry: forAll }),
    ...(nodes && { nodes: nodePolicies(Object.keys(nodes), data) }),
  }
}

function nodeOption(key: string): string {
  return `nodes.${key}.retry`
}

function nodePolicies(
  keys: readonly string[],
  data: ReadonlyMap<string, PolicyJson>,
): Record<string, { readonly retry?: PolicyJson }> {
  return Object.fromEntries(
    keys.map((key) => {
      const retry = data.get(nodeOption(key))
      return [key, retry === undefined ? {} : { retry }]
    }),
  )
}

function policyData(policy: Policy, where: string): PolicyJson {
  try {
    return policyToJson(policy)
  } catch (cause) {
    throw cause instanceof DefinitionError
      ? new DefinitionError(`${where}: ${cause.message}`, { cause })
      : cause
  }
}
