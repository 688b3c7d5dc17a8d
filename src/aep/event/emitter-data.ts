import { z } from 'zod'
import { driftResolutions, outcomes } from '../sets.ts'
import {
  approvalMode,
  asGiven,
  context,
  count,
  decision,
  denyReasonClass,
  digest,
  extension,
  flag,
  json,
  leaseTerms,
  limit,
  ms,
  name,
  names,
  sentence,
  sha256,
  sideEffectClass,
  stateDigest,
  textMax,
  unmapped,
} from './members.ts'

/**
 * `data` of every event type that an emitter may send. What is absent is unknown: nothing has a default, and what is
 * present and fits no closed set is refused.
 */

const layer = z.strictObject({
  verdict: name,
  reasons: z.array(sentence).exactOptional(),
  policy_ids: names.exactOptional(),
})

const decisionPrincipal = z.strictObject({
  principal_hash: digest,
  session_id: name.exactOptional(),
  parent_session_id: name.exactOptional(),
  delegation_chain: names.exactOptional(),
})

/** The portable decision envelope: who wanted what, where, and what was said to it on which grounds. */
const decisionData = z.strictObject({
  decision,
  decision_id: name
    .exactOptional()
    .meta({ description: 'Id that results, uses and records cite, where it is not the id of the event.' }),
  action_class: name.exactOptional(),
  target: z
    .strictObject({
      server_id: name.exactOptional(),
      tool_name: name.exactOptional(),
      resource: name.exactOptional(),
    })
    .exactOptional(),
  principal: decisionPrincipal.exactOptional(),
  run_id: name.exactOptional(),
  session_id: name.exactOptional(),
  policy: z
    .strictObject({ policy_id: name.exactOptional(), version: name.exactOptional(), digest: digest.exactOptional() })
    .exactOptional(),
  matched_policies: names.exactOptional(),
  layers: z
    .strictObject({
      vetting: layer.exactOptional(),
      policy: layer.exactOptional(),
      consent: layer.exactOptional(),
      taint: layer.exactOptional(),
    })
    .exactOptional(),
  reasons: z.array(sentence).exactOptional(),
  deny_reason_class: denyReasonClass.exactOptional(),
  side_effect_class: sideEffectClass.exactOptional(),
  state_changing: flag.exactOptional(),
  approval_mode: approvalMode.exactOptional(),
  approval_extension: extension.exactOptional(),
  lease_id: name.exactOptional(),
  approval_id: name.exactOptional(),
  args_digest: digest.exactOptional(),
  args: json.exactOptional().meta({ description: 'The arguments, redacted by the emitter.' }),
  tool_descriptor_digest: digest.exactOptional(),
  tool_manifest_digest: digest.exactOptional(),
  server_card_digest: digest.exactOptional(),
  expires_at: asGiven.exactOptional(),
  state_before: stateDigest.exactOptional(),
  extension: extension.exactOptional(),
  unmapped: unmapped.exactOptional(),
})

const leaseGrantedData = z.strictObject({
  lease_id: name,
  principal_hash: digest,
  server_id: name,
  granted_tools: names,
  expires_at: asGiven.meta({
    description: 'As given. What is no RFC 3339 date makes the lease invalid from the start.',
  }),
  state_changing: flag.exactOptional(),
  max_invocations: limit.exactOptional(),
  session_id: name.exactOptional(),
  run_id: name.exactOptional(),
  supersedes: name.exactOptional().meta({ description: 'Id of the lease that this one renews.' }),
  amends: z.literal(true).exactOptional().meta({
    description:
      'The emitter changed the terms of a lease that it had granted under this id: identity and count go on.',
  }),
  approval_id: name.exactOptional(),
  decision_event_id: name.exactOptional(),
  invocation_count: limit.exactOptional().meta({ description: 'The emitter’s own counter: kept, not believed.' }),
  valid: flag.exactOptional().meta({ description: 'The emitter’s own verdict on the lease: kept, not believed.' }),
  extension: extension.exactOptional(),
  unmapped: unmapped.exactOptional(),
})

const leaseUsedData = z.strictObject({
  lease_id: name,
  decision_event_id: name
    .exactOptional()
    .meta({ description: 'The decision this use belongs to: one decision is one use.' }),
  ...context,
  invocation_count: limit.exactOptional().meta({ description: 'The emitter’s own counter: kept, not believed.' }),
  valid: flag.exactOptional().meta({ description: 'The emitter’s own verdict on the lease: kept, not believed.' }),
  terms: leaseTerms.exactOptional(),
  unmapped: unmapped.exactOptional(),
})

const leaseRevokedData = z.strictObject({
  lease_id: name,
  reason: sentence.exactOptional(),
  principal_hash: digest.exactOptional(),
  unmapped: unmapped.exactOptional(),
})

const receiptData = z.strictObject({
  receipt_id: name,
  ...context,
  principal_hash: digest,
  ui_text_digest: digest.exactOptional(),
  descriptor_digest: digest.exactOptional(),
  args_digest: digest.exactOptional(),
  approved_at: asGiven.exactOptional(),
  expires_at: asGiven.exactOptional(),
  approval_mode: approvalMode.exactOptional(),
  approval_extension: extension.exactOptional(),
  lease_id: name.exactOptional(),
  extension: extension.exactOptional(),
  unmapped: unmapped.exactOptional(),
})

const consentData = z.strictObject({
  op: z.enum(['recorded', 'revoked']),
  ...context,
  principal_hash: digest,
  action: name,
  scope: names.exactOptional(),
  tool_snapshot_digest: name.exactOptional(),
  description_digest: digest.exactOptional(),
  input_schema_digest: digest.exactOptional(),
  ui_text_digest: digest.exactOptional(),
  recorded_at: asGiven.exactOptional(),
  expires_at: asGiven.exactOptional(),
  unmapped: unmapped.exactOptional(),
})

const taintData = z.strictObject({
  source_tool: name.exactOptional(),
  trust: name,
  content_type: name.exactOptional(),
  content_digest: digest.exactOptional(),
  sanitizers: names.exactOptional(),
  instruction_like_text_detected: flag.exactOptional(),
  adversarial_score: z.number().exactOptional(),
  decision_event_id: name.exactOptional(),
  principal_hash: digest.exactOptional(),
  server_id: name.exactOptional(),
  session_id: name.exactOptional(),
  run_id: name.exactOptional(),
  unmapped: unmapped.exactOptional(),
})

const vettingCommon = {
  session_id: name.exactOptional(),
  run_id: name.exactOptional(),
  verdict: name.exactOptional(),
  reasons: z.array(sentence).exactOptional(),
  unmapped: unmapped.exactOptional(),
}

const vettingData = z.discriminatedUnion('subject', [
  z.strictObject({
    subject: z.literal('server_card'),
    server_id: name,
    display_name: z.string().max(textMax).exactOptional(),
    tool_manifest_digest: digest.exactOptional(),
    server_card_digest: digest.exactOptional(),
    registered_at: asGiven.exactOptional(),
    declared_capabilities: names.exactOptional(),
    operator_verified: flag.exactOptional(),
    ...vettingCommon,
  }),
  z.strictObject({
    subject: z.literal('tool_descriptor'),
    server_id: name.exactOptional(),
    tool_name: name,
    description_digest: digest.exactOptional(),
    input_schema_digest: digest.exactOptional(),
    tool_descriptor_digest: digest.exactOptional(),
    first_seen_at_ms: ms.exactOptional(),
    trust_tier: name.exactOptional(),
    ...vettingCommon,
  }),
  z.strictObject({
    subject: z.literal('descriptor_change'),
    server_id: name.exactOptional(),
    tool_name: name,
    field: name.exactOptional(),
    old_digest: digest.exactOptional(),
    new_digest: digest.exactOptional(),
    detected_at_ms: ms.exactOptional(),
    ...vettingCommon,
  }),
  z.strictObject({
    subject: z
      .literal('lease')
      .meta({ description: 'The emitter looked at a lease: what it found changes nothing by itself.' }),
    lease_id: name,
    principal_hash: digest.exactOptional(),
    server_id: name.exactOptional(),
    decision_event_id: name.exactOptional(),
    invocation_count: limit.exactOptional(),
    valid: flag.exactOptional(),
    terms: leaseTerms.exactOptional(),
    ...vettingCommon,
  }),
  z.strictObject({
    subject: z
      .literal('unrecognised')
      .meta({ description: 'An observation in a format that has no place here: all of it stands in `unmapped`.' }),
    format: name.meta({ description: 'Which format it is of, and which kind within it.' }),
    ...vettingCommon,
  }),
])

const resultData = z.strictObject({
  decision_event_id: name.exactOptional(),
  outcome: z.enum(outcomes),
  executed_args_digest: digest.exactOptional(),
  result_digest: digest.exactOptional(),
  side_effect_class: sideEffectClass.exactOptional(),
  state_changing: flag.exactOptional(),
  state_after: stateDigest.exactOptional(),
  drift: z
    .strictObject({
      detected: flag,
      approved_args_digest: digest.exactOptional(),
      observed_args_digest: digest.exactOptional(),
      resolution: z.enum(driftResolutions).exactOptional(),
    })
    .exactOptional(),
  ...context,
  lease_id: name.exactOptional(),
  approval_id: name.exactOptional(),
  exit_code: z.int().exactOptional(),
  reasons: z.array(sentence).exactOptional(),
  extension: extension.exactOptional(),
  unmapped: unmapped.exactOptional(),
})

const recordContext = {
  decision_event_id: name.exactOptional(),
  run_id: name.exactOptional(),
  unmapped: unmapped.exactOptional(),
}

/** A record of its own text, or, too large for an entry, by what names it beside the log. */
const recordData = z.union(
  [
    z.strictObject({
      record: z.string().min(1).meta({ description: 'The exact text of an AEPRecord, as it came.' }),
      ...recordContext,
    }),
    z.strictObject({ record_digest: sha256, record_length: count, ...recordContext }),
  ],
  'takes an object with record, or with record_digest and record_length',
)

const sessionData = z.strictObject({
  session_id: name,
  principal_hash: digest.exactOptional(),
  parent_session_id: name.exactOptional(),
  run_id: name.exactOptional(),
  delegation_chain: names.exactOptional(),
  issued_at: asGiven.exactOptional(),
  sequence: count.exactOptional().meta({ description: 'The emitter’s sequence that the session begins or ends with.' }),
  reason: sentence.exactOptional(),
  unmapped: unmapped.exactOptional(),
})

const gapData = z.strictObject({
  count,
  first_sequence: count.exactOptional(),
  last_sequence: count.exactOptional(),
  reason: sentence.exactOptional(),
  session_id: name.exactOptional(),
  run_id: name.exactOptional(),
  unmapped: unmapped.exactOptional(),
})

/** By type, in the order of DESIGN's table. */
export const emitterData = {
  'aep.decision': decisionData,
  'aep.lease.granted': leaseGrantedData,
  'aep.lease.used': leaseUsedData,
  'aep.lease.revoked': leaseRevokedData,
  'aep.receipt': receiptData,
  'aep.consent': consentData,
  'aep.taint': taintData,
  'aep.vetting': vettingData,
  'aep.result': resultData,
  'aep.record': recordData,
  'aep.session.opened': sessionData,
  'aep.session.closed': sessionData,
  'aep.gap': gapData,
} as const
