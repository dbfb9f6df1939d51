import { frozenCopy } from './frozen-copy.ts'
import { parseOptions } from './option-schemas.ts'
import { type PolicyKind, policySchemas } from './policy-schema.ts'
import { type DelayPolicy, type NonePolicy, POLICY, type Policy } from './policy-types.ts'
import { type PreviewedRetry, type PreviewOptions, previewPolicy } from './preview.ts'

/**
 * Validates options and makes a frozen policy of them.
 *
 * @param where what the user called, for the error
 * @throws DefinitionError that names each bad option
 */
export function buildPolicy(kind: PolicyKind, options: object, where = `policy.${kind}`): Policy {
  return kind === 'none' ? buildNone(options, where) : buildDelay(kind, options, where)
}

/** The same for a policy without retries. */
export function buildNone(options: object, where = 'policy.none'): NonePolicy {
  const spec = parseOptions(policySchemas.none, options, where)
  return sealPolicy<NonePolicy>({ type: 'none', spec: frozenCopy(spec) })
}

/** The same for a policy that computes its delays. */
export function buildDelay(
  kind: Exclude<PolicyKind, 'none'>,
  options: object,
  where = `policy.${kind}`,
): DelayPolicy {
  const parsed = parseOptions(policySchemas[kind], options, where)
  const { retryOn = null, abortOn = null, when = null, ...spec } = parsed
  return sealPolicy<DelayPolicy>({
    type: 'delay',
    spec: frozenCopy(spec),
    retryOn: retryOn && Object.freeze([...retryOn]),
    abortOn: abortOn && Object.freeze([...abortOn]),
    when,
  })
}

/** Freezes the parts of a policy, with what every policy has. */
export function sealPolicy<P extends Policy>(parts: Omit<P, typeof POLICY | 'preview'>): P {
  // Trust border: the parts and the base together are the policy.
  return Object.freeze({ [POLICY]: true, preview, ...parts }) as unknown as P
}

function preview(this: Policy, retries: number, options?: PreviewOptions): PreviewedRetry[] {
  return previewPolicy(this, retries, options)
}
