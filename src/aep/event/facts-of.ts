import type {
  ConsentFact,
  DecisionFact,
  Fact,
  FactContext,
  GapFact,
  LeaseGrantedFact,
  LeaseRevokedFact,
  LeaseUsedFact,
  ReceiptFact,
  ResultFact,
  SessionFact,
  TaintFact,
  VettingFact,
} from '../facts.ts'
import { momentMs } from '../time.ts'
import { recordFacts } from './record-facts.ts'
import type { AepEvent, EventOf } from './schema.ts'

/**
 * The facts of one event, in the order it says them. Total: a record that can't be read yields none, and neither does what
 * the ledger says of itself.
 */
export function factsOf(event: AepEvent): readonly Fact[] {
  switch (event.type) {
    case 'aep.decision':
      return [decision(event)]
    case 'aep.lease.granted':
      return [leaseGranted(event)]
    case 'aep.lease.used':
      return [leaseUsed(event)]
    case 'aep.lease.revoked':
      return [leaseRevoked(event)]
    case 'aep.receipt':
      return [receipt(event)]
    case 'aep.consent':
      return [consent(event)]
    case 'aep.taint':
      return [taint(event)]
    case 'aep.vetting':
      return [vetting(event)]
    case 'aep.result':
      return [result(event)]
    case 'aep.record':
      return 'record' in event.data ? recordFacts(event.data.record) : []
    case 'aep.session.opened':
      return [session(event, 'session-opened')]
    case 'aep.session.closed':
      return [session(event, 'session-closed')]
    case 'aep.gap':
      return [gap(event)]
    case 'aep.ledger.created':
    case 'aep.ledger.key.added':
    case 'aep.ledger.key.rotated':
    case 'aep.ledger.key.revoked':
    case 'aep.ledger.emitter.registered':
    case 'aep.ledger.emitter.revoked':
    case 'aep.ledger.conflict':
    case 'aep.ledger.read':
      return []
    default:
      return event satisfies never
  }
}

/** An object under construction: members are set only where there is something to say. */
type Draft<T> = { -readonly [Member in keyof T]: T[Member] }

interface Says {
  readonly principal_hash?: string
  readonly session_id?: string
  readonly run_id?: string
  readonly server_id?: string
  readonly tool_name?: string
}

/** Fills in who, where, in which run and when. */
function place<T extends FactContext>(fact: Draft<T>, event: AepEvent, says: Says): Draft<T> {
  if (says.principal_hash !== undefined) fact.principal = says.principal_hash
  if (says.session_id !== undefined) fact.session = says.session_id
  if (says.run_id !== undefined) fact.run = says.run_id
  if (says.server_id !== undefined) fact.server = says.server_id
  if (says.tool_name !== undefined) fact.tool = says.tool_name
  if (event.time !== undefined) {
    const atMs = momentMs(event.time)
    if (atMs !== undefined) fact.atMs = atMs
  }
  return fact
}

function decision(event: EventOf<'aep.decision'>): DecisionFact {
  const { data } = event
  const { principal, policy } = data
  const matched = data.matched_policies ?? []
  const policyId = policy?.policy_id
  const fact: Draft<DecisionFact> = {
    kind: 'decision',
    decisionId: data.decision_id ?? event.id,
    decision: data.decision,
    sideEffect: data.side_effect_class ?? 'unknown',
    policies: policyId === undefined || matched.includes(policyId) ? matched : [policyId, ...matched],
    reasons: data.reasons ?? [],
  }
  if (data.deny_reason_class !== undefined) fact.denyReason = data.deny_reason_class
  if (data.state_changing !== undefined) fact.stateChanging = data.state_changing
  if (data.approval_mode !== undefined) fact.approvalMode = data.approval_mode
  if (data.lease_id !== undefined) fact.lease = data.lease_id
  if (data.approval_id !== undefined) fact.approval = data.approval_id
  if (data.args_digest !== undefined) fact.argsDigest = data.args_digest
  const session = principal?.session_id ?? data.session_id
  if (principal !== undefined) fact.principal = principal.principal_hash
  if (session !== undefined) fact.session = session
  if (data.target?.server_id !== undefined) fact.server = data.target.server_id
  if (data.target?.tool_name !== undefined) fact.tool = data.target.tool_name
  return place(fact, event, data.run_id === undefined ? {} : { run_id: data.run_id })
}

function leaseGranted(event: EventOf<'aep.lease.granted'>): LeaseGrantedFact {
  const { data } = event
  const fact: Draft<LeaseGrantedFact> = {
    kind: 'lease-granted',
    lease: data.lease_id,
    tools: data.granted_tools,
    expiresAt: data.expires_at,
  }
  const expiresAtMs = momentMs(data.expires_at)
  if (expiresAtMs !== undefined) fact.expiresAtMs = expiresAtMs
  if (data.state_changing !== undefined) fact.stateChanging = data.state_changing
  if (data.max_invocations !== undefined) fact.maxInvocations = data.max_invocations
  if (data.supersedes !== undefined) fact.supersedes = data.supersedes
  if (data.amends !== undefined) fact.amends = data.amends
  return place(fact, event, data)
}

function leaseUsed(event: EventOf<'aep.lease.used'>): LeaseUsedFact {
  const fact: Draft<LeaseUsedFact> = { kind: 'lease-used', lease: event.data.lease_id }
  if (event.data.decision_event_id !== undefined) fact.decisionId = event.data.decision_event_id
  return place(fact, event, event.data)
}

function leaseRevoked(event: EventOf<'aep.lease.revoked'>): LeaseRevokedFact {
  const { lease_id, reason } = event.data
  const reasons = reason === undefined ? [] : [reason]
  return place<LeaseRevokedFact>({ kind: 'lease-revoked', lease: lease_id, reasons }, event, event.data)
}

function receipt(event: EventOf<'aep.receipt'>): ReceiptFact {
  const { data } = event
  const fact: Draft<ReceiptFact> = { kind: 'receipt', approval: data.receipt_id }
  const expiresAtMs = momentMs(data.expires_at ?? '')
  if (expiresAtMs !== undefined) fact.expiresAtMs = expiresAtMs
  if (data.args_digest !== undefined) fact.argsDigest = data.args_digest
  if (data.descriptor_digest !== undefined) fact.descriptorDigest = data.descriptor_digest
  if (data.ui_text_digest !== undefined) fact.uiTextDigest = data.ui_text_digest
  return place(fact, event, data)
}

function consent(event: EventOf<'aep.consent'>): ConsentFact {
  const fact: Draft<ConsentFact> = { kind: 'consent', op: event.data.op }
  const expiresAtMs = momentMs(event.data.expires_at ?? '')
  if (expiresAtMs !== undefined) fact.expiresAtMs = expiresAtMs
  return place(fact, event, event.data)
}

function taint(event: EventOf<'aep.taint'>): TaintFact {
  const { data } = event
  const fact: Draft<TaintFact> = { kind: 'taint', trust: data.trust }
  if (data.decision_event_id !== undefined) fact.decisionId = data.decision_event_id
  if (data.source_tool !== undefined) fact.tool = data.source_tool
  return place(fact, event, data)
}

function vetting(event: EventOf<'aep.vetting'>): VettingFact {
  const { data } = event
  const fact: Draft<VettingFact> = { kind: 'vetting', subject: data.subject, reasons: data.reasons ?? [] }
  if (data.subject === 'lease') fact.lease = data.lease_id
  return place(fact, event, data)
}

function result(event: EventOf<'aep.result'>): ResultFact {
  const { data } = event
  const fact: Draft<ResultFact> = {
    kind: 'result',
    outcome: data.outcome,
    sideEffect: data.side_effect_class ?? 'unknown',
  }
  if (data.decision_event_id !== undefined) fact.decisionId = data.decision_event_id
  if (data.drift !== undefined) fact.drift = data.drift.detected
  return place(fact, event, data)
}

function session(event: EventOf<'aep.session.opened' | 'aep.session.closed'>, kind: SessionFact['kind']): SessionFact {
  const fact: Draft<SessionFact> = { kind }
  if (event.data.parent_session_id !== undefined) fact.parentSession = event.data.parent_session_id
  return place(fact, event, event.data)
}

const gap = (event: EventOf<'aep.gap'>): GapFact =>
  place<GapFact>({ kind: 'gap', count: event.data.count }, event, event.data)
