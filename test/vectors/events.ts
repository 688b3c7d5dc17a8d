import type { EventOf, EventType, LedgerEvent } from '../../src/aep/event/schema.ts'

/**
 * An event of every type with every member that it may have, and the smallest of each. What a schema should refuse is made
 * from these by changing one thing.
 */

const h16 = '0123456789abcdef'
const h64 = h16.repeat(4)

export const head = { specversion: '1.0', id: 'e-1', source: 'urn:test:gateway' } as const

export const attributes = {
  ...head,
  time: '2026-01-01T00:00:00.123Z',
  subject: 'tool/send_mail',
  datacontenttype: 'application/json',
  dataschema: 'https://example.org/schema',
  sequence: 17,
  traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
  tracestate: 'vendor=1',
  emitterkeyid: 'gateway-key',
  emittersig: 'c2ln',
} as const

const extension = { namespace: 'org.example', mode: 'hardware-token', evidence_digest: h64 }
const layer = { verdict: 'allow', reasons: ['fine'], policy_ids: ['p-1'] }
const context = { principal_hash: h16, server_id: 'srv-1', tool_name: 'send_mail', session_id: 's-1', run_id: 'r-1' }
const unmapped = { valid: true, data: { odd: [1, 'x', null] } }
const terms = { granted_tools: ['send_mail'], expires_at: 'never', state_changing: true, max_invocations: 0 }
const key = { key_id: h16.repeat(2), alg: 'ed25519', public_hex: h64 } as const

/** Every member, by type. `aep.vetting` and `aep.record` have several shapes. */
export const fullData = {
  'aep.decision': [
    {
      decision: 'ask_user',
      decision_id: 'd-1',
      action_class: 'mcp.tools.call',
      target: { server_id: 'srv-1', tool_name: 'send_mail', resource: 'mailto:a@example.org' },
      principal: {
        principal_hash: h16,
        session_id: 's-1',
        parent_session_id: 's-0',
        delegation_chain: ['user:1', 'agent:2'],
      },
      run_id: 'r-1',
      session_id: 's-1',
      policy: { policy_id: 'p-1', version: '3', digest: h64 },
      matched_policies: ['p-1', 'p-2'],
      layers: { vetting: layer, policy: layer, consent: layer, taint: layer },
      reasons: ['User confirmation required'],
      deny_reason_class: 'policy-rule',
      side_effect_class: 'network-egress',
      state_changing: true,
      approval_mode: 'bounded-lease',
      approval_extension: extension,
      lease_id: 'l-1',
      approval_id: 'a-1',
      args_digest: h64,
      args: { to: ['a@example.org'], body: '[redacted]', deep: { n: 1.5 } },
      tool_descriptor_digest: h64,
      tool_manifest_digest: h64,
      server_card_digest: h64,
      expires_at: '2026-01-01T00:05:00Z',
      state_before: { digest: h64, kind: 'git-tree', coverage: { complete: false, depth: 3 } },
      extension,
      unmapped,
    },
  ],
  'aep.lease.granted': [
    {
      lease_id: 'l-1',
      principal_hash: h16,
      server_id: 'srv-1',
      granted_tools: ['send_mail', 'write_file'],
      expires_at: '2026-01-01T00:05:00Z',
      state_changing: true,
      max_invocations: 3,
      session_id: 's-1',
      run_id: 'r-1',
      supersedes: 'l-0',
      amends: true,
      approval_id: 'a-1',
      decision_event_id: 'd-1',
      invocation_count: 0,
      valid: true,
      extension,
      unmapped,
    },
  ],
  'aep.lease.used': [
    { lease_id: 'l-1', decision_event_id: 'd-1', ...context, invocation_count: 1, valid: false, terms, unmapped },
  ],
  'aep.lease.revoked': [{ lease_id: 'l-1', reason: 'no longer needed', principal_hash: h16, unmapped }],
  'aep.receipt': [
    {
      receipt_id: 'a-1',
      ...context,
      ui_text_digest: h16,
      descriptor_digest: h64,
      args_digest: h64,
      approved_at: '2026-01-01T00:00:00Z',
      expires_at: 'never',
      approval_mode: 'one-shot-payload',
      approval_extension: extension,
      lease_id: 'l-1',
      extension,
      unmapped,
    },
  ],
  'aep.consent': [
    {
      op: 'revoked',
      ...context,
      action: 'approve_tool',
      scope: ['srv-1/send_mail'],
      tool_snapshot_digest: `${h16}:${h16}`,
      description_digest: h16,
      input_schema_digest: h16,
      ui_text_digest: h16,
      recorded_at: '2026-01-01T00:00:00Z',
      expires_at: '2027-01-01T00:00:00Z',
      unmapped,
    },
  ],
  'aep.taint': [
    {
      source_tool: 'fetch_url',
      trust: 'untrusted',
      content_type: 'html',
      content_digest: h64,
      sanitizers: ['strip-html'],
      instruction_like_text_detected: true,
      adversarial_score: 0.75,
      decision_event_id: 'd-1',
      principal_hash: h16,
      server_id: 'srv-1',
      session_id: 's-1',
      run_id: 'r-1',
      unmapped,
    },
  ],
  'aep.vetting': [
    {
      subject: 'server_card',
      server_id: 'srv-1',
      display_name: '',
      tool_manifest_digest: h64,
      server_card_digest: h64,
      registered_at: '2026-01-01T00:00:00Z',
      declared_capabilities: ['send_mail'],
      operator_verified: false,
      session_id: 's-1',
      run_id: 'r-1',
      verdict: 'warn',
      reasons: ['new'],
      unmapped,
    },
    {
      subject: 'tool_descriptor',
      server_id: 'srv-1',
      tool_name: 'send_mail',
      description_digest: h64,
      input_schema_digest: h64,
      tool_descriptor_digest: h64,
      first_seen_at_ms: 1_788_773_540_515,
      trust_tier: 'trusted',
      verdict: 'allow',
    },
    {
      subject: 'descriptor_change',
      server_id: 'srv-1',
      tool_name: 'send_mail',
      field: 'description',
      old_digest: h64,
      new_digest: h64,
      detected_at_ms: 1_788_773_540_515,
    },
    {
      subject: 'lease',
      lease_id: 'l-1',
      principal_hash: h16,
      server_id: 'srv-1',
      decision_event_id: 'd-1',
      invocation_count: 3,
      valid: false,
      terms,
      verdict: 'exhausted',
    },
    { subject: 'unrecognised', format: 'wasmagent/odd', unmapped },
  ],
  'aep.result': [
    {
      decision_event_id: 'd-1',
      outcome: 'timed_out',
      executed_args_digest: h64,
      result_digest: h64,
      side_effect_class: 'unknown',
      state_changing: true,
      state_after: { digest: h64, kind: 'other', coverage: {} },
      drift: {
        detected: true,
        approved_args_digest: h16,
        observed_args_digest: h64,
        resolution: 'denied',
      },
      ...context,
      lease_id: 'l-1',
      approval_id: 'a-1',
      exit_code: -1,
      reasons: ['no answer'],
      extension,
      unmapped,
    },
  ],
  'aep.record': [
    { record: '{"schema_version":"aep/v0.1" }', decision_event_id: 'd-1', run_id: 'r-1', unmapped },
    { record_digest: h64, record_length: 1_048_576, decision_event_id: 'd-1', run_id: 'r-1', unmapped },
  ],
  'aep.session.opened': [
    {
      session_id: 's-1',
      principal_hash: h16,
      parent_session_id: 's-0',
      run_id: 'r-1',
      delegation_chain: ['user:1'],
      issued_at: '2026-01-01T00:00:00Z',
      sequence: 0,
      reason: 'login',
      unmapped,
    },
  ],
  'aep.session.closed': [{ session_id: 's-1', sequence: 17, reason: 'done' }],
  'aep.gap': [
    {
      count: 3,
      first_sequence: 18,
      last_sequence: 20,
      reason: 'the disk was full',
      session_id: 's-1',
      run_id: 'r-1',
      unmapped,
    },
  ],
  'aep.ledger.created': [{ origin: 'example.org/acme/prod', ledger: 'acme/prod', key, by: 'admin' }],
  'aep.ledger.key.added': [{ key, by: 'admin', reason: 'for March' }],
  'aep.ledger.key.rotated': [{ from: 'old', key, by: 'admin', reason: 'monthly' }],
  'aep.ledger.key.revoked': [{ key_id: 'old', compromised_since_seq: 4, by: 'admin', reason: 'stolen' }],
  'aep.ledger.emitter.registered': [{ key, sources: ['urn:test:'], by: 'admin' }],
  'aep.ledger.emitter.revoked': [{ key_id: 'gateway-key', by: 'admin', reason: 'retired' }],
  'aep.ledger.conflict': [
    { source: 'urn:test:gateway', id: 'e-1', first_seq: 3, refused_sha256: h64, by: 'gateway', suppressed: 12 },
  ],
  'aep.ledger.read': [{ by: 'auditor', route: 'listLeases', from_seq: 0, to_seq: 10, filter_digest: h64 }],
} as const satisfies { [Type in EventType]: readonly EventOf<Type>['data'][] }

/** What each of the same shapes can't be without. */
export const required: { readonly [Type in EventType]: readonly (readonly string[])[] } = {
  'aep.decision': [['decision']],
  'aep.lease.granted': [['lease_id', 'principal_hash', 'server_id', 'granted_tools', 'expires_at']],
  'aep.lease.used': [['lease_id']],
  'aep.lease.revoked': [['lease_id']],
  'aep.receipt': [['receipt_id', 'principal_hash']],
  'aep.consent': [['op', 'principal_hash', 'action']],
  'aep.taint': [['trust']],
  'aep.vetting': [
    ['subject', 'server_id'],
    ['subject', 'tool_name'],
    ['subject', 'tool_name'],
    ['subject', 'lease_id'],
    ['subject', 'format'],
  ],
  'aep.result': [['outcome']],
  'aep.record': [['record'], ['record_digest', 'record_length']],
  'aep.session.opened': [['session_id']],
  'aep.session.closed': [['session_id']],
  'aep.gap': [['count']],
  'aep.ledger.created': [['origin', 'ledger', 'key']],
  'aep.ledger.key.added': [['key']],
  'aep.ledger.key.rotated': [['from', 'key']],
  'aep.ledger.key.revoked': [['key_id']],
  'aep.ledger.emitter.registered': [['key', 'sources']],
  'aep.ledger.emitter.revoked': [['key_id']],
  'aep.ledger.conflict': [['source', 'id', 'first_seq', 'refused_sha256']],
  'aep.ledger.read': [['by', 'route']],
}

export const smallestDecision = {
  specversion: '1.0',
  id: '1',
  source: 'urn:g',
  type: 'aep.decision',
  time: '2026-01-01T00:00:00Z',
  data: {
    decision: 'allow',
    run_id: 'r',
    principal: { principal_hash: '0123456789abcdef', session_id: 's' },
    approval_mode: 'none',
  },
} as const

export const created: LedgerEvent = {
  ...head,
  time: '2026-01-01T00:00:00.000Z',
  type: 'aep.ledger.created',
  data: { origin: 'example.org/acme/prod', ledger: 'acme/prod', key },
}
