import { z } from 'zod'
import {
  approvalModes,
  decisions,
  denyReasonClasses,
  driftResolutions,
  permissionGateDecisions,
  recordingModes,
  schemaVersions,
  sideEffectClasses,
  stateDigestKinds,
} from '../sets.ts'

/**
 * AEPRecord, aep/v0.1 to aep/v0.4, bare or with a DSSE envelope: one shape for all versions, as the reference has it, since
 * emitters write later members under earlier tags. Parsing fills the reference's defaults and drops members it does not
 * know; the record that was signed is the text, never the result of parsing.
 *
 * `signature` is not required here: a record without one is an AEP record that nobody vouches for, which the judgement
 * says in its own words.
 */

const texts = () => z.array(z.string())
/** Integers of any size that a double holds; `z.int()` would stop at 2^53. */
const integer = () => z.number().multipleOf(1)

const approvalExtensionSchema = z.object({
  namespace: z.string(),
  mode: z.string(),
  evidence_digest: z.string(),
})

const capabilityDecisionSchema = z.object({
  capability: z.string(),
  subject: z.string(),
  resource: z.string(),
  decision: z.enum(decisions),
  reason_code: z.string().optional(),
  approval_mode: z.enum(approvalModes).default('none'),
  approval_extension: approvalExtensionSchema.optional(),
  deny_reason_class: z.enum(denyReasonClasses).optional(),
})

const argumentDriftSchema = z.object({
  detected: z.boolean(),
  approved_args_digest: z.string(),
  observed_args_digest: z.string(),
  resolution: z.enum(driftResolutions),
})

const actionSchema = z.object({
  action_id: z.string(),
  tool_name: z.string(),
  state_changing: z.boolean(),
  precondition_digest: z.string().optional(),
  result_digest: z.string().optional(),
  outcome: z.string().optional(),
  exit_code: integer().optional(),
  arguments_digest: z.string().optional(),
  evidence_refs: texts().default([]),
  capability_decision: capabilityDecisionSchema.optional(),
  timestamp_ms: z.number(),
  parent_action_id: z.string().optional(),
  causal_chain_id: z.string().optional(),
  tool_descriptor_digest: z.string().optional(),
  server_card_digest: z.string().optional(),
  scope_lease_id: z.string().optional(),
  approval_context_hash: z.string().optional(),
  input_taint_labels: texts().optional(),
  output_taint_labels: texts().optional(),
  memory_read_refs: texts().optional(),
  memory_write_refs: texts().optional(),
  pre_state_digest: z.string().optional(),
  post_state_digest: z.string().optional(),
  permission_gate: z
    .object({ decision: z.enum(permissionGateDecisions), gate: z.string(), reason: z.string().optional() })
    .optional(),
  recording_mode: z.enum(recordingModes).default('validation'),
  delta_ref: z.string().optional(),
  side_effect_class: z.enum(sideEffectClasses).default('unknown'),
  state_digest_kind: z.enum(stateDigestKinds).optional(),
  state_digest_coverage: z.record(z.string(), z.unknown()).optional(),
  argument_drift: argumentDriftSchema.optional(),
})

const spending = () => z.object({ limit: z.number().optional(), spent: z.number() }).optional()

const budgetLedgerSchema = z.object({
  token_budget: spending(),
  latency_budget: z.object({ limit_ms: z.number().optional(), actual_ms: z.number() }).optional(),
  tool_budget: spending(),
  risk_budget: spending(),
  retry_budget: spending(),
  human_approval_budget: spending(),
})

const runContextSchema = z.object({
  agent_id: z.string().optional(),
  agent_version: z.string().optional(),
  subagent_id: z.string().optional(),
  delegation_chain: texts().default([]),
  environment_digest: z.string().optional(),
  dependency_lock_digest: z.string().optional(),
  session_id: z.string().optional(),
  turn_index: integer().min(0).optional(),
})

const inputRefSchema = z.object({
  uri: z.string(),
  digest: z.string().optional(),
  taint_labels: texts().default([]),
})

const outputRefSchema = z.object({
  uri: z.string(),
  digest: z.string().optional(),
  redaction_profile: z.string().optional(),
})

const verifierResultSchema = z.object({
  verifier_id: z.string(),
  passed: z.boolean(),
  score: z.number().optional(),
  claim_ids: texts().default([]),
})

const timestampProofSchema = z.object({
  timestamp: z.string(),
  authority: z.string(),
  proof: z.string(),
  logIndex: z.number().optional(),
})

const envelopeSchema = z.object({
  payloadType: z.string(),
  payload: z.string(),
  signatures: z.array(z.object({ keyid: z.string().optional(), sig: z.string() })),
})

const signatureBlockSchema = z.object({
  alg: z.literal('ed25519'),
  key_id: z.string(),
  sig: z.string(),
})

export const aepRecordSchema = z.object({
  schema_version: z.enum(schemaVersions),
  run_id: z.string(),
  user_id: z.string().optional(),
  subject_id: z.string().optional(),
  trace_id: z.string().optional(),
  parent_trace_id: z.string().nullable().optional(),
  repo_commit: z.string().optional(),
  runtime_version: z.string().optional(),
  model_provider: z.string().optional(),
  model_id: z.string().optional(),
  policy_bundle_digest: z.string().optional(),
  tool_manifest_digest: z.string().optional(),
  mcp_server_card_digest: z.string().nullable().optional(),
  input_refs: z.array(inputRefSchema).default([]),
  output_refs: z.array(outputRefSchema).default([]),
  capability_decisions: z.array(capabilityDecisionSchema).default([]),
  actions: z.array(actionSchema).default([]),
  verifier_results: z.array(verifierResultSchema).default([]),
  budget_ledger: budgetLedgerSchema.optional(),
  created_at_ms: z.number(),
  prev_record_hash: z.string().nullable().optional(),
  run_context: runContextSchema.optional(),
  run_side_effect_class_max: z.enum(sideEffectClasses).optional(),
  timestamp_proof: timestampProofSchema.optional(),
  dsse_envelope: envelopeSchema.optional(),
  signature: signatureBlockSchema.optional(),
})

/** A record as the schema reads it: defaults filled in, members it does not know dropped. */
export type AepRecord = z.output<typeof aepRecordSchema>
export type AepAction = AepRecord['actions'][number]
export type CapabilityDecision = AepRecord['capability_decisions'][number]
