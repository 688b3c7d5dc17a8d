/**
 * The closed value sets of the Agent Evidence Protocol, in the order its reference lists them. A value outside its set is
 * never read as the nearest one: where a set has a member for it (`unknown`, `other`) that is what an absent value means,
 * and a present stranger is refused.
 */

/** Versions of AEPRecord that we judge. */
export const schemaVersions = ['aep/v0.1', 'aep/v0.2', 'aep/v0.3', 'aep/v0.4'] as const

export const decisions = ['allow', 'deny', 'ask_user', 'dry_run'] as const

export const approvalModes = [
  'one-shot-payload',
  'bounded-lease',
  'policy-allow-with-receipt',
  'policy-deny-with-evidence',
  're-approval-on-drift',
  'none',
] as const

export const denyReasonClasses = [
  'tool-identity',
  'argument',
  'tainted-input',
  'resource-scope',
  'missing-delegation',
  'policy-rule',
  'other',
] as const

/** From least to most reach; `unknown` counts as the greatest, because it may be any of them. */
export const sideEffectClasses = ['read', 'mutate-local', 'mutate-external', 'network-egress', 'unknown'] as const

export const recordingModes = ['validation', 'delta', 'full'] as const

export const stateDigestKinds = [
  'git-tree',
  'sandbox-fs',
  'db-rowset',
  'browser-dom',
  'kv-snapshot',
  'memory-bag',
  'other',
] as const

export const permissionGateDecisions = ['approved', 'denied', 'auto_approved'] as const

export const driftResolutions = ['matched', 'denied'] as const

/** What became of a decision, as an `aep.result` event says it. (An AEPRecord's own `outcome` is free text.) */
export const outcomes = ['succeeded', 'failed', 'blocked', 'timed_out', 'unknown'] as const

export type SideEffectClass = (typeof sideEffectClasses)[number]
