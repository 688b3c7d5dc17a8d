import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { checkEvent } from '../../../src/aep/event/accept.ts'
import { factsOf } from '../../../src/aep/event/facts-of.ts'
import { type AepEvent, eventTypes, ledgerEventTypes } from '../../../src/aep/event/schema.ts'
import type { Fact } from '../../../src/aep/facts.ts'
import type { Json, JsonObject } from '../../../src/aep/json.ts'
import { base64, utf8 } from '../../../src/base/bytes.ts'
import { conformanceLines, conformanceSkip } from '../../support/conformance.ts'
import { attributes, fullData, head, smallestDecision } from '../../vectors/events.ts'

const h16 = '0123456789abcdef'
const h64 = h16.repeat(4)
const atMs = Date.parse(attributes.time)

const factsIn = (event: Json): readonly Fact[] => {
  const checked = checkEvent(event)
  assert.ok(checked.ok, JSON.stringify(checked))
  return factsOf(checked.event)
}
const full = (type: AepEvent['type'], shape = 0): readonly Fact[] =>
  factsIn({ ...attributes, type, data: fullData[type][shape] } as Json)

const where = { principal: h16, session: 's-1', run: 'r-1', server: 'srv-1', tool: 'send_mail', atMs }

describe('the facts of an event', () => {
  it('of a decision are what the emitter said', () => {
    assert.deepEqual(full('aep.decision'), [
      {
        kind: 'decision',
        decisionId: 'd-1',
        decision: 'ask_user',
        denyReason: 'policy-rule',
        sideEffect: 'network-egress',
        stateChanging: true,
        approvalMode: 'bounded-lease',
        lease: 'l-1',
        approval: 'a-1',
        policies: ['p-1', 'p-2'],
        reasons: ['User confirmation required'],
        argsDigest: h64,
        ...where,
      },
    ])
  })

  it('of a decision that says nothing of its effect name an unknown mutation, and guess nothing else', () => {
    assert.deepEqual(factsIn({ ...head, type: 'aep.decision', data: { decision: 'deny' } }), [
      { kind: 'decision', decisionId: 'e-1', decision: 'deny', sideEffect: 'unknown', policies: [], reasons: [] },
    ])
  })

  it('of a decision take the session from the principal, or else from the event, and the policy with the matched ones', () => {
    const [fact] = factsIn(smallestDecision)
    assert.equal(fact?.session, 's')
    const data = { decision: 'deny', session_id: 'own', policy: { policy_id: 'p-9' }, matched_policies: ['p-1'] }
    const [other] = factsIn({ ...head, type: 'aep.decision', data })
    assert.equal(other?.session, 'own')
    assert.deepEqual(other?.kind === 'decision' && other.policies, ['p-9', 'p-1'])
  })

  it('of leases are grant, use and revocation', () => {
    assert.deepEqual(full('aep.lease.granted'), [
      {
        kind: 'lease-granted',
        lease: 'l-1',
        tools: ['send_mail', 'write_file'],
        expiresAt: '2026-01-01T00:05:00Z',
        expiresAtMs: Date.parse('2026-01-01T00:05:00Z'),
        stateChanging: true,
        maxInvocations: 3,
        supersedes: 'l-0',
        amends: true,
        principal: h16,
        session: 's-1',
        run: 'r-1',
        server: 'srv-1',
        atMs,
      },
    ])
    assert.deepEqual(full('aep.lease.used'), [{ kind: 'lease-used', lease: 'l-1', decisionId: 'd-1', ...where }])
    assert.deepEqual(full('aep.lease.revoked'), [
      { kind: 'lease-revoked', lease: 'l-1', reasons: ['no longer needed'], principal: h16, atMs },
    ])
  })

  it('of a lease whose expiry is no date have no moment of expiry', () => {
    const data = { ...fullData['aep.lease.granted'][0], expires_at: 'never' }
    const [fact] = factsIn({ ...head, type: 'aep.lease.granted', data } as Json)
    assert.equal(fact?.kind === 'lease-granted' && fact.expiresAt, 'never')
    assert.equal(fact !== undefined && 'expiresAtMs' in fact, false)
  })

  it('of receipt, consent, taint, vetting, result, session and gap are their own', () => {
    const said = (fact: Fact | undefined) => fact
    assert.deepEqual(full('aep.receipt'), [
      { kind: 'receipt', approval: 'a-1', argsDigest: h64, descriptorDigest: h64, uiTextDigest: h16, ...where },
    ])
    assert.deepEqual(full('aep.consent'), [
      { kind: 'consent', op: 'revoked', expiresAtMs: Date.parse('2027-01-01T00:00:00Z'), ...where },
    ])
    assert.deepEqual(full('aep.taint'), [
      { kind: 'taint', trust: 'untrusted', decisionId: 'd-1', ...where, tool: 'fetch_url' },
    ])
    assert.deepEqual(full('aep.vetting', 3), [
      { kind: 'vetting', subject: 'lease', lease: 'l-1', reasons: [], principal: h16, server: 'srv-1', atMs },
    ])
    assert.deepEqual(full('aep.result'), [
      { kind: 'result', outcome: 'timed_out', sideEffect: 'unknown', decisionId: 'd-1', drift: true, ...where },
    ])
    assert.deepEqual(said(full('aep.session.opened')[0]), {
      kind: 'session-opened',
      parentSession: 's-0',
      principal: h16,
      session: 's-1',
      run: 'r-1',
      atMs,
    })
    assert.deepEqual(full('aep.session.closed'), [{ kind: 'session-closed', session: 's-1', atMs }])
    assert.deepEqual(full('aep.gap'), [{ kind: 'gap', count: 3, session: 's-1', run: 'r-1', atMs }])
  })

  it('are none for what the ledger says of itself', () => {
    for (const type of ledgerEventTypes) assert.deepEqual(full(type), [])
  })

  it('never say undefined, which JSON would lose', () => {
    for (const type of eventTypes) {
      for (const shape of fullData[type].keys()) {
        const facts = full(type, shape)
        assert.deepEqual(JSON.parse(JSON.stringify(facts)), facts)
      }
    }
  })
})

const action: JsonObject = {
  action_id: 'act-1',
  tool_name: 'send_mail',
  state_changing: true,
  outcome: 'denied',
  arguments_digest: h64,
  scope_lease_id: 'l-1',
  side_effect_class: 'network-egress',
  timestamp_ms: 1_788_000_000_001,
  argument_drift: { detected: true, approved_args_digest: 'a', observed_args_digest: 'b', resolution: 'denied' },
  capability_decision: {
    capability: 'mcp:send_mail',
    subject: h16,
    resource: 'srv-1/send_mail',
    decision: 'deny',
    reason_code: 'no-mail',
    approval_mode: 'policy-deny-with-evidence',
    deny_reason_class: 'argument',
  },
}
const record: JsonObject = {
  schema_version: 'aep/v0.3',
  run_id: 'r-1',
  user_id: 'user-1',
  capability_decisions: [{ capability: 'c', subject: 'agent-1', resource: 'x', decision: 'allow' }],
  actions: [action],
  created_at_ms: 1_788_000_000_000,
  run_context: { session_id: 's-1' },
}
const inRecord = (text: string) => factsIn({ ...head, type: 'aep.record', data: { record: text } })

describe('the facts of a record', () => {
  it('are its decisions and its actions, as single events would say them', () => {
    const here = { principal: h16, session: 's-1', run: 'r-1', tool: 'send_mail', atMs: 1_788_000_000_001 }
    assert.deepEqual(inRecord(JSON.stringify(record)), [
      {
        kind: 'decision',
        decisionId: 'r-1/capability_decisions/0',
        decision: 'allow',
        sideEffect: 'unknown',
        policies: [],
        reasons: [],
        principal: 'agent-1',
        session: 's-1',
        run: 'r-1',
        atMs: 1_788_000_000_000,
      },
      {
        kind: 'decision',
        decisionId: 'act-1',
        decision: 'deny',
        denyReason: 'argument',
        sideEffect: 'network-egress',
        stateChanging: true,
        approvalMode: 'policy-deny-with-evidence',
        lease: 'l-1',
        policies: [],
        reasons: ['no-mail'],
        argsDigest: h64,
        ...here,
      },
      { kind: 'result', decisionId: 'act-1', outcome: 'denied', sideEffect: 'network-egress', drift: true, ...here },
    ])
  })

  it('of an action without a decision are its result, and its citation of a lease', () => {
    const { capability_decision: _, scope_lease_id: __, ...bare } = action
    assert.deepEqual(
      inRecord(JSON.stringify({ ...record, capability_decisions: [], actions: [bare] })).map(f => f.kind),
      ['result'],
    )
    const citing = { ...bare, scope_lease_id: 'l-2' }
    const facts = inRecord(JSON.stringify({ ...record, capability_decisions: [], actions: [citing] }))
    assert.deepEqual(
      facts.map(fact => fact.kind),
      ['decision', 'result'],
    )
    assert.equal(facts[0]?.kind === 'decision' && facts[0].lease, 'l-2')
    assert.equal(facts[0]?.principal, 'user-1')
  })

  it('of a side effect outside the set are unknown', () => {
    const facts = inRecord(JSON.stringify({ ...record, actions: [{ ...action, side_effect_class: 'harmless' }] }))
    assert.deepEqual(
      facts.map(fact => 'sideEffect' in fact && fact.sideEffect),
      ['unknown', 'unknown', 'unknown'],
    )
  })

  it('inside a bare DSSE envelope are those of the statement that it carries', () => {
    const statement = { _type: 'https://in-toto.io/Statement/v1', predicate: record }
    const payload = base64(utf8(JSON.stringify(statement)))
    const envelope = { payloadType: 'application/vnd.in-toto+json', payload, signatures: [] }
    assert.deepEqual(inRecord(JSON.stringify(envelope)), inRecord(JSON.stringify(record)))
  })

  const unreadable = [
    ['no JSON', '{"actions":[}'],
    ['no object', '[1,2]'],
    ['a null', 'null'],
    [
      'members of other kinds',
      '{"run_id":5,"actions":{"a":1},"capability_decisions":"x","run_context":[],"created_at_ms":"x"}',
    ],
    ['actions that are none', '{"actions":[null,5,"x",[]],"capability_decisions":[null]}'],
    ['an envelope of nothing', '{"payloadType":"x","payload":"%%%","signatures":[]}'],
    ['an envelope of no statement', `{"payloadType":"x","payload":"${base64(utf8('[1]'))}","signatures":[]}`],
    ['depth', '['.repeat(60_000)],
  ] as const
  for (const [what, text] of unreadable) {
    it(`are none, and no crash, where it is ${what}`, () => assert.deepEqual(inRecord(text), []))
  }

  it('leave out what can be no id: an empty text, or half a surrogate pair', () => {
    const odd = { ...action, action_id: '', scope_lease_id: '\ud800', tool_name: 5 }
    assert.deepEqual(inRecord(JSON.stringify({ run_id: 'r', actions: [odd] })), [
      {
        kind: 'result',
        outcome: 'denied',
        sideEffect: 'network-egress',
        drift: true,
        principal: h16,
        run: 'r',
        atMs: 1_788_000_000_001,
      },
    ])
  })

  it('name no lease by half a surrogate pair', () => {
    const facts = inRecord(JSON.stringify({ actions: [{ ...action, scope_lease_id: '\ud800' }] }))
    assert.deepEqual(
      facts.map(fact => 'lease' in fact),
      [false, false],
    )
  })

  it('kept beside the log are not seen by a reader of entries', () => {
    const data = { record_digest: h64, record_length: 9 }
    assert.deepEqual(factsIn({ ...head, type: 'aep.record', data }), [])
  })

  it('of every version in the conformance vectors count its actions and decisions', { skip: conformanceSkip }, () => {
    const versions = new Set<unknown>()
    for (const line of records()) {
      if (line.input.text === undefined) continue
      const { schema_version, actions = [], capability_decisions = [] } = JSON.parse(line.input.text)
      versions.add(schema_version)
      const facts = inRecord(line.input.text)
      const decided = actions.filter((one: JsonObject) => one['capability_decision'] || one['scope_lease_id'])
      assert.equal(facts.filter(fact => fact.kind === 'result').length, actions.length)
      assert.equal(facts.filter(fact => fact.kind === 'decision').length, capability_decisions.length + decided.length)
    }
    assert.deepEqual([...versions].sort(), ['aep/v0.1', 'aep/v0.2', 'aep/v0.3', 'aep/v0.4'])
  })
})

const records = () =>
  conformanceLines('vectors/valid-records.jsonl') as { readonly input: { readonly text?: string } }[]
