import { z } from 'zod'
import { asGiven, decision, digest, flag, limit, ms, name, names, sentence, textMax } from './event/members.ts'
import type { EmitterEventType } from './event/schema.ts'
import { isObject, type Json, type JsonObject } from './json.ts'

/** What a kind of line becomes: where its members go, and those of its `data`. */
export interface LineKind {
  readonly type: EmitterEventType
  readonly line: Readonly<Record<string, Place>>
  readonly data: Readonly<Record<string, Place>>
  /** Members of the event's data that the kind itself says. */
  readonly says: JsonObject
}

interface Place {
  /** Path into the event's data. */
  readonly to: readonly string[]
  readonly fits: z.ZodType
  /** Leaving it out would say something else than the line did: where it does not fit, nor does the line. */
  readonly binds: boolean
  readonly as: (value: Json) => Json
}

const same = (value: Json): Json => value
const to = (path: string, fits: z.ZodType, as = same): Place => ({ to: path.split('/'), fits, binds: false, as })
const bound = (path: string, fits: z.ZodType, as = same): Place => ({ to: path.split('/'), fits, binds: true, as })

const kind = (
  type: EmitterEventType,
  data: LineKind['data'],
  line: LineKind['line'] = {},
  says: JsonObject = {},
): LineKind => ({
  type,
  line,
  data,
  says,
})

/** What is no text is no date either; kept as its JSON text, it makes the lease invalid from the start, as any other. */
const expiry = bound('expires_at', z.unknown(), value => (typeof value === 'string' ? value : JSON.stringify(value)))

const leaseTerms = {
  grantedTools: bound('granted_tools', names),
  expiresAt: expiry,
  stateChanging: to('state_changing', flag),
  maxInvocations: bound('max_invocations', limit),
}

const lease = {
  leaseId: bound('lease_id', name),
  principalHash: bound('principal_hash', digest),
  serverId: bound('server_id', name),
  invocationCount: to('invocation_count', limit),
}

/** The lease as it stood for the gateway: told again with every use, and not believed over the grant. */
const leaseSeen = {
  ...lease,
  grantedTools: to('terms/granted_tools', names),
  expiresAt: to('terms/expires_at', asGiven),
  stateChanging: to('terms/state_changing', flag),
  maxInvocations: to('terms/max_invocations', limit),
}

const leaseLine = { valid: to('valid', flag), sessionId: to('session_id', name) }
const leaseUsedLine = { ...leaseLine, eventId: to('decision_event_id', name), toolName: to('tool_name', name) }
const leaseFoundLine = { ...leaseLine, eventId: to('decision_event_id', name) }

const consent = {
  userIdHash: bound('principal_hash', digest),
  action: bound('action', name),
  toolName: to('tool_name', name),
  serverIdentity: to('server_id', name),
  scope: to('scope', names),
  toolSnapshotHash: to('tool_snapshot_digest', name),
  descriptionHash: to('description_digest', digest),
  inputSchemaHash: to('input_schema_digest', digest),
  uiTextHash: to('ui_text_digest', digest),
  recordedAt: to('recorded_at', asGiven),
  expiresAt: to('expires_at', asGiven),
}

const scopeLease: Readonly<Record<string, LineKind>> = {
  // Without an expiry of its own, the lease has the empty one, which is no date.
  granted: kind('aep.lease.granted', { ...lease, ...leaseTerms }, leaseLine, { expires_at: '' }),
  altered: kind('aep.lease.granted', { ...lease, ...leaseTerms }, leaseLine, { expires_at: '', amends: true }),
  used: kind('aep.lease.used', leaseSeen, leaseUsedLine),
  revoked: kind('aep.lease.revoked', { leaseId: lease.leaseId, principalHash: lease.principalHash }),
  'found-expired': kind('aep.vetting', leaseSeen, leaseFoundLine, { subject: 'lease', verdict: 'expired' }),
  'found-exhausted': kind('aep.vetting', leaseSeen, leaseFoundLine, { subject: 'lease', verdict: 'exhausted' }),
}

const consentEvent: Readonly<Record<string, LineKind>> = {
  recorded: kind('aep.consent', consent, { sessionId: to('session_id', name) }, { op: 'recorded' }),
  revoked: kind('aep.consent', consent, { sessionId: to('session_id', name) }, { op: 'revoked' }),
}

const kinds: Readonly<Record<string, LineKind>> = {
  audit_event: kind(
    'aep.decision',
    {
      // The gateway's own id of the decision: uses, observations and records of the stream cite it.
      eventId: bound('decision_id', name),
      decision: bound('decision', decision),
      principalHash: to('principal/principal_hash', digest),
      sessionId: to('session_id', name),
      serverId: to('target/server_id', name),
      toolName: to('target/tool_name', name),
      stateChanging: to('state_changing', flag),
      policyDecision: to('layers/policy/verdict', name),
      toolManifestDigest: to('tool_manifest_digest', digest),
    },
    {
      matchedPolicyIds: to('matched_policies', names),
      reasons: to('reasons', z.array(sentence)),
      leaseId: bound('lease_id', name),
      receiptId: to('approval_id', name),
    },
  ),
  approval_receipt: kind(
    'aep.receipt',
    {
      receiptId: bound('receipt_id', name),
      leaseId: to('lease_id', name),
      principalHash: bound('principal_hash', digest),
      toolName: to('tool_name', name),
      uiTextHash: to('ui_text_digest', digest),
      toolDescriptorHash: to('descriptor_digest', digest),
      argsDigest: to('args_digest', digest),
      approvedAt: to('approved_at', asGiven),
      expiresAt: to('expires_at', asGiven),
    },
    { serverId: to('server_id', name), sessionId: to('session_id', name) },
  ),
  tainted_observation: kind(
    'aep.taint',
    {
      sourceTool: to('source_tool', name),
      trust: bound('trust', name),
      contentType: to('content_type', name),
      contentHash: to('content_digest', digest),
      sanitizers: to('sanitizers', names),
      instructionLikeTextDetected: to('instruction_like_text_detected', flag),
      adversarialScore: to('adversarial_score', z.number()),
    },
    { sessionId: to('session_id', name), serverId: to('server_id', name), eventId: to('decision_event_id', name) },
  ),
  server_card: kind(
    'aep.vetting',
    {
      serverId: bound('server_id', name),
      displayName: to('display_name', z.string().max(textMax)),
      toolManifestDigest: to('tool_manifest_digest', digest),
      registeredAt: to('registered_at', asGiven),
      declaredCapabilities: to('declared_capabilities', names),
      operatorVerified: to('operator_verified', flag),
    },
    {},
    { subject: 'server_card' },
  ),
  tool_snapshot: kind(
    'aep.vetting',
    {
      serverId: to('server_id', name),
      toolName: bound('tool_name', name),
      descriptionHash: to('description_digest', digest),
      inputSchemaHash: to('input_schema_digest', digest),
      firstSeenAt: to('first_seen_at_ms', ms),
      trustTier: to('trust_tier', name),
    },
    {},
    { subject: 'tool_descriptor' },
  ),
  rug_pull: kind(
    'aep.vetting',
    {
      toolName: bound('tool_name', name),
      field: to('field', name),
      oldHash: to('old_digest', digest),
      newHash: to('new_digest', digest),
      detectedAt: to('detected_at_ms', ms),
    },
    { serverId: to('server_id', name) },
    { subject: 'descriptor_change' },
  ),
  request_identity: kind('aep.session.opened', {
    principalHash: bound('principal_hash', digest),
    sessionId: bound('session_id', name),
    parentSessionId: to('parent_session_id', name),
    delegationChain: to('delegation_chain', names),
    issuedAt: to('issued_at', asGiven),
  }),
  aep_record: kind('aep.record', {}, { eventId: to('decision_event_id', name) }),
}

/** The kind of a line, by its `type` and, where the type has several, its `op`; `undefined` for a stranger. */
export function kindOf({ type, op }: JsonObject): LineKind | undefined {
  if (type === 'scope_lease') return own(scopeLease, op)
  if (type === 'consent_event') return own(consentEvent, op)
  return own(kinds, type)
}

/** Whether `op` is part of what kind of line it is. */
const isTold = ({ type }: JsonObject): boolean => type === 'scope_lease' || type === 'consent_event'

const own = (table: Readonly<Record<string, LineKind>>, at: Json | undefined): LineKind | undefined =>
  typeof at === 'string' && Object.hasOwn(table, at) ? table[at] : undefined

/**
 * `data` of the event that a line of this kind says: every member in its place, and what has none, or does not fit it,
 * under `unmapped`, with the members of the line's own `data` below `data`. `undefined` where a binding member is wrong.
 * `done` names members of the line that the event's attributes say already; `op` is said by the kind.
 */
export function place(kind: LineKind, line: JsonObject, done: readonly string[]): JsonObject | undefined {
  const made: Draft = { ...kind.says }
  const data = line['data']
  const left = take(line, kind.line, made)
  const leftOfData = isObject(data) ? take(data, kind.data, made) : {}
  if (left === undefined || leftOfData === undefined) return undefined
  for (const name of done) delete left[name]
  if (isTold(line)) delete left['op']
  if (leftOfData['timestampMs'] === line['t'] && done.includes('t')) delete leftOfData['timestampMs']
  if (isObject(data) && 'data' in left) {
    delete left['data']
    if (Object.keys(leftOfData).length > 0) left['data'] = leftOfData
  }
  return Object.keys(left).length === 0 ? made : { ...made, unmapped: left }
}

type Draft = { [name: string]: Json }

/** Takes members to their places, and returns those left over; `undefined` where one that binds does not fit. */
function take(object: JsonObject, places: LineKind['data'], made: Draft): Draft | undefined {
  const left: Draft = {}
  for (const [name, value] of Object.entries(object)) {
    const place = Object.hasOwn(places, name) ? places[name] : undefined
    if (place?.fits.safeParse(value).success) put(made, place.to, place.as(value))
    else if (place?.binds) return undefined
    else left[name] = value
  }
  return left
}

function put(made: Draft, [head = '', ...rest]: readonly string[], value: Json): void {
  if (rest.length === 0) made[head] = value
  else {
    const below = made[head]
    const group: Draft = isObject(below) ? { ...below } : {}
    put(group, rest, value)
    made[head] = group
  }
}
