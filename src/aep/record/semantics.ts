import { type SideEffectClass, sideEffectClasses } from '../sets.ts'
import { name, type Tally } from './classes.ts'
import type { AepAction, AepRecord, CapabilityDecision } from './schema.ts'

/**
 * Names what a well-formed record says against itself, or leaves open where a reader has to know. None of it refuses a
 * record: it was said and signed so, and that is what the ledger keeps.
 */
export function nameContradictions(record: AepRecord, tally: Tally): void {
  nameRunMax(record, tally)
  nameRepeatedIds(record.actions, tally)
  for (const [index, action] of record.actions.entries()) nameAction(action, `/actions/${index}`, record, tally)
  for (const [index, decision] of record.capability_decisions.entries()) {
    nameDecision(decision, `/capability_decisions/${index}`, record, tally)
  }
  nameShortDigests(record, '', tally)
}

/** `deny_reason_class` and `run_side_effect_class_max` came with v0.3; before it, their absence says nothing. */
const isRecent = ({ schema_version: version }: AepRecord) => version === 'aep/v0.3' || version === 'aep/v0.4'

/** The greatest of the actions' classes, `unknown` being the greatest, because it may be any; none without actions. */
function nameRunMax(record: AepRecord, tally: Tally): void {
  const at = '/run_side_effect_class_max'
  const stated = record.run_side_effect_class_max
  const reach = Math.max(-1, ...record.actions.map(action => sideEffectClasses.indexOf(action.side_effect_class)))
  const greatest: SideEffectClass | undefined = sideEffectClasses[reach]
  if (stated === undefined) {
    if (greatest !== undefined && isRecent(record)) {
      name(tally, 'run-max-absent', at, `the actions go up to ${greatest}, the record does not say so`)
    }
  } else if (stated !== greatest) {
    name(tally, 'run-max-mismatch', at, `it says ${stated}, the actions go up to ${greatest ?? 'nothing'}`)
  }
}

function nameRepeatedIds(actions: readonly AepAction[], tally: Tally): void {
  const seen = new Set<string>()
  for (const [index, { action_id: id }] of actions.entries()) {
    if (seen.has(id)) name(tally, 'duplicate-action-id', `/actions/${index}/action_id`, 'an earlier action has this id')
    seen.add(id)
  }
}

function nameAction(action: AepAction, at: string, record: AepRecord, tally: Tally): void {
  const { state_changing: changing, side_effect_class: effect, capability_decision: decision } = action
  if (changing ? effect === 'read' : effect === 'mutate-local' || effect === 'mutate-external') {
    const said = changing ? 'state-changing' : 'not state-changing'
    name(tally, 'side-effect-inconsistent', `${at}/side_effect_class`, `the action is ${said}, its class ${effect}`)
  }
  if (decision?.approval_mode === 'bounded-lease' && action.scope_lease_id === undefined) {
    name(tally, 'lease-reference-absent', at, 'the action goes by a lease and does not say which')
  }
  if (decision) nameDecision(decision, `${at}/capability_decision`, record, tally)
  const drift = action.argument_drift
  if (drift) {
    const differ = !sameDigest(drift.approved_args_digest, drift.observed_args_digest)
    if (drift.detected !== differ || drift.resolution !== (differ ? 'denied' : 'matched')) {
      const said = `detected ${drift.detected}, ${drift.resolution}`
      name(tally, 'drift-inconsistent', `${at}/argument_drift`, `${said}; the digests ${differ ? 'differ' : 'agree'}`)
    }
  }
}

function nameDecision(decision: CapabilityDecision, at: string, record: AepRecord, tally: Tally): void {
  const reason = decision.deny_reason_class
  if (decision.decision === 'deny' && reason === undefined && isRecent(record)) {
    name(tally, 'deny-reason-absent', at, 'a denial without its class of reason')
  }
  if (decision.decision === 'allow' && reason !== undefined) {
    name(tally, 'deny-reason-on-allow', `${at}/deny_reason_class`, `allowed, and denied for ${reason}`)
  }
}

/** The reference gateway cuts SHA-256 to its first 64 bits: such a digest compares with the head of a whole one. */
const digestDigits = { short: 16, whole: 64 } as const
const isShort = (digest: string) => digest.length === digestDigits.short && /^[0-9a-f]*$/.test(digest)
const isWhole = (digest: string) => digest.length === digestDigits.whole && /^[0-9a-f]*$/.test(digest)

function sameDigest(a: string, b: string): boolean {
  if ((isShort(a) && isWhole(b)) || (isWhole(a) && isShort(b))) {
    return a.slice(0, digestDigits.short) === b.slice(0, digestDigits.short)
  }
  return a === b
}

/** Members that are digests by their name; what `state_digest_coverage` holds is the emitter's own business. */
function nameShortDigests(value: unknown, at: string, tally: Tally): void {
  if (value === null || typeof value !== 'object') return
  for (const [member, inner] of Object.entries(value)) {
    if (typeof inner === 'string') {
      if (/(?:digest|_hash)$/.test(member) && isShort(inner)) {
        name(tally, 'digest-64-bit', `${at}/${member}`, 'a digest of 64 bits: comparable under a weaker assumption')
      }
    } else if (member !== 'state_digest_coverage') nameShortDigests(inner, `${at}/${member}`, tally)
  }
}
