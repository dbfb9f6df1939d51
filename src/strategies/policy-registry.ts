import { DefinitionError } from '../core/errors.ts'
import { buildChain, buildRules } from './compose.ts'
import { checkPlugin, type PolicyPlugin } from './define-policy.ts'
import type { NamedPolicy, Policy } from './policy-types.ts'

/** A policy with all its plug-ins found, or the first name that nobody here knows. */
export type BoundPolicy = { readonly policy: Policy } | { readonly missing: string }

/** The plug-ins that one worker or producer knows, by name. There is no other registry, and no global one. */
export class PolicyRegistry {
  readonly #plugins = new Map<string, PolicyPlugin>()

  /** @throws DefinitionError when two plug-ins have one name, or one is none */
  constructor(plugins: readonly PolicyPlugin[]) {
    for (const given of plugins) {
      const plugin = checkPlugin(given, 'policies')
      const { policyName } = plugin
      if (this.#plugins.has(policyName)) {
        throw new DefinitionError(
          `policies: two policies have the name ${policyName}; names must be unique`,
        )
      }
      this.#plugins.set(policyName, plugin)
    }
  }

  /** Name and version of every plug-in. */
  versions(): { readonly [name: string]: string | null } {
    return Object.fromEntries([...this.#plugins].map(([name, { version }]) => [name, version]))
  }

  /**
   * Finds the plug-ins that a policy names. One that was made by its own `definePolicy` function needs no registry.
   *
   * @throws DefinitionError for options that the plug-in's schema refuses
   */
  bind(policy: Policy): BoundPolicy {
    switch (policy.type) {
      case 'delay':
      case 'none':
        return { policy }
      case 'named':
        return this.#bindNamed(policy)
      case 'rules': {
        const uses = this.#bindAll(policy.rules.map(({ use }) => use))
        if ('missing' in uses) return uses
        const rules = policy.rules.map(({ on }, i) => ({
          on: on ?? undefined,
          use: uses.policies[i] ?? policy,
        }))
        return { policy: buildRules(rules) }
      }
      case 'chain': {
        const parts = this.#bindAll(policy.policies)
        return 'missing' in parts ? parts : { policy: buildChain(parts.policies) }
      }
    }
  }

  /**
   * Checks a policy that is about to be sent.
   *
   * @param where the option, for the error
   * @throws DefinitionError for a name that is not registered here, or options that the plug-in's schema refuses
   */
  check(policy: Policy, where: string): void {
    const bound = this.bind(policy)
    if (!('missing' in bound)) return
    const known = [...this.#plugins.keys()].join(', ') || 'none'
    throw new DefinitionError(
      `${where}: no policy has the name ${bound.missing}; registered are: ${known}`,
    )
  }

  #bindNamed(policy: NamedPolicy): BoundPolicy {
    if (policy.decide !== null) return { policy }
    const plugin = this.#plugins.get(policy.name)
    if (plugin === undefined) return { missing: policy.name }
    // Trust border: the plug-in's own schema checks the options.
    return { policy: plugin(policy.options as never) }
  }

  #bindAll(policies: readonly Policy[]): { policies: Policy[] } | { missing: string } {
    const found: Policy[] = []
    for (const policy of policies) {
      const bound = this.bind(policy)
      if ('missing' in bound) return bound
      found.push(bound.policy)
    }
    return { policies: found }
  }
}

/** The names of the plug-ins in a policy, each once. */
export function pluginNames(policy: Policy): string[] {
  switch (policy.type) {
    case 'delay':
    case 'none':
      return []
    case 'named':
      return [policy.name]
    case 'rules':
      return unique(policy.rules.flatMap(({ use }) => pluginNames(use)))
    case 'chain':
      return unique(policy.policies.flatMap(pluginNames))
  }
}

function unique(names: readonly string[]): string[] {
  return [...new Set(names)]
}
