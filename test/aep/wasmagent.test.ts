import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { acceptEvent } from '../../src/aep/event/accept.ts'
import { factsOf } from '../../src/aep/event/facts-of.ts'
import type { AepEvent } from '../../src/aep/event/schema.ts'
import type { DecisionFact } from '../../src/aep/facts.ts'
import type { Json, JsonObject } from '../../src/aep/json.ts'
import { LineUnreadable, wasmagentEvent, wasmagentSource } from '../../src/aep/wasmagent.ts'
import { hex, utf8 } from '../../src/base/bytes.ts'
import { nodeSuite } from '../../src/crypto/node.ts'
import { conformanceSkip, conformanceText } from '../support/conformance.ts'

const source = 'urn:wasmagent:stream:test'
const read = (line: string): AepEvent => {
  const event = wasmagentEvent(line, { source }, nodeSuite)
  const accepted = acceptEvent(event as Json)
  assert.ok(accepted.ok, JSON.stringify(accepted))
  return event
}
const readLine = (line: JsonObject): AepEvent => read(JSON.stringify(line))

const h16 = '0123456789abcdef'
const t = 1_788_773_540_515
const lease = {
  leaseId: 'l-1',
  principalHash: h16,
  serverId: 'srv-1',
  grantedTools: ['write_file'],
  expiresAt: '2026-09-07T09:33:00.000Z',
  stateChanging: true,
  maxInvocations: 2,
  invocationCount: 0,
}
const audit = {
  eventId: 'evt-1',
  timestampMs: t,
  principalHash: h16,
  sessionId: 's-1',
  serverId: 'srv-1',
  toolName: 'write_file',
  decision: 'deny',
  stateChanging: true,
  policyDecision: 'deny',
  toolManifestDigest: h16.repeat(4),
}
const line = (type: string, data: Json, beside: JsonObject = {}): JsonObject => ({ n: 7, t, type, ...beside, data })

describe('a line of a gateway stream', () => {
  it('has its identity from its bytes, and the source from the first line', () => {
    const text = JSON.stringify(line('audit_event', audit))
    const event = read(text)
    assert.equal(event.id, hex(nodeSuite.sha256(utf8(text))))
    assert.deepEqual([event.source, event.time, event.sequence], [source, '2026-09-07T09:32:20.515Z', 7])
    assert.deepEqual(read(text), event)
    assert.notEqual(read(`${text} `).id, event.id)
    assert.equal(wasmagentSource(text, nodeSuite), wasmagentSource(text, nodeSuite))
    assert.notEqual(wasmagentSource(text, nodeSuite), wasmagentSource(`${text} `, nodeSuite))
  })

  it('of a decision carries the id that uses, observations and records cite', () => {
    const beside = { matchedPolicyIds: ['p-1'], reasons: ['Denied'], leaseId: 'l-1', receiptId: 'a-1' }
    assert.deepEqual(readLine(line('audit_event', audit, beside)).data, {
      decision_id: 'evt-1',
      decision: 'deny',
      principal: { principal_hash: h16 },
      session_id: 's-1',
      target: { server_id: 'srv-1', tool_name: 'write_file' },
      state_changing: true,
      layers: { policy: { verdict: 'deny' } },
      tool_manifest_digest: h16.repeat(4),
      matched_policies: ['p-1'],
      reasons: ['Denied'],
      lease_id: 'l-1',
      approval_id: 'a-1',
    })
  })

  it('of a lease is a grant, an amendment, a use, a revocation, or what was found of it', () => {
    const of = (op: string, beside: JsonObject = {}) => readLine(line('scope_lease', lease, { op, ...beside }))
    const terms = {
      granted_tools: ['write_file'],
      expires_at: '2026-09-07T09:33:00.000Z',
      state_changing: true,
      max_invocations: 2,
    }
    const granted = { lease_id: 'l-1', principal_hash: h16, server_id: 'srv-1', invocation_count: 0, ...terms }
    assert.deepEqual(of('granted', { valid: true }).data, { ...granted, valid: true })
    assert.deepEqual(of('altered').data, { ...granted, amends: true })
    assert.deepEqual([of('granted').type, of('altered').type], ['aep.lease.granted', 'aep.lease.granted'])
    const seen = { lease_id: 'l-1', principal_hash: h16, server_id: 'srv-1', invocation_count: 0, terms }
    const used = of('used', { eventId: 'evt-1', valid: false })
    assert.equal(used.type, 'aep.lease.used')
    assert.deepEqual(used.data, { ...seen, decision_event_id: 'evt-1', valid: false })
    assert.deepEqual(of('found-expired').data, { ...seen, subject: 'lease', verdict: 'expired' })
    assert.deepEqual(of('found-exhausted').data, { ...seen, subject: 'lease', verdict: 'exhausted' })
    assert.equal(of('revoked').type, 'aep.lease.revoked')
    const { leaseId: _, principalHash: __, ...rest } = lease
    assert.deepEqual(of('revoked').data, { lease_id: 'l-1', principal_hash: h16, unmapped: { data: rest } })
  })

  it('of a record keeps the exact text of the record', () => {
    const record = '{ "schema_version":"aep/v0.1",\t"run_id" : "\\u0041", "created_at_ms":1.0e3 }'
    const event = read(`{"n":7,"t":${t},"type":"aep_record","eventId":"evt-1","data":  ${record} }`)
    assert.equal(event.type, 'aep.record')
    assert.deepEqual(event.data, { record, decision_event_id: 'evt-1' })
  })

  const odd = [
    ['a number that loses digits', '{"run_id":"r","created_at_ms":9007199254740993}'],
    ['a name said twice', '{"run_id":"r","run_id":"s"}'],
    ['half a surrogate pair', '{"run_id":"\\ud800"}'],
    ['__proto__', '{"__proto__":1}'],
    ['an infinity', '{"n":1e400}'],
  ] as const
  for (const [what, record] of odd) {
    it(`of a record keeps it with ${what}: that is for its verdict to say`, () => {
      const event = read(`{"n":7,"t":${t},"type":"aep_record","eventId":"evt-1","data":${record}}`)
      assert.deepEqual(event.data, { record, decision_event_id: 'evt-1' })
    })

    it(`of anything else is refused with ${what}, and says where`, () => {
      const text = `{"n":7,"t":${t},"type":"audit_event","data":${record}}`
      assert.throws(() => wasmagentEvent(text, { source }, nodeSuite), LineUnreadable)
      assert.throws(() => wasmagentEvent(text, { source }, nodeSuite), /\/data/)
      const beside = `{"n":7,"t":${t},"type":"aep_record","odd":${record},"data":${record}}`
      assert.throws(() => wasmagentEvent(beside, { source }, nodeSuite), LineUnreadable)
    })
  }

  it('that is no JSON object is refused', () => {
    for (const text of ['', ' ', '{', '[]', '5', '"audit_event"', '{"type":"audit_event"', 'null']) {
      assert.throws(() => wasmagentEvent(text, { source }, nodeSuite), LineUnreadable, text)
    }
  })
})

describe('what a line says beyond the event', () => {
  it('stands in unmapped, beside and below data as it did', () => {
    const event = readLine(
      line('audit_event', { ...audit, timestampMs: t + 1, colour: ['red'] }, { mood: 'good', op: 'x' }),
    )
    assert.deepEqual('unmapped' in event.data && event.data.unmapped, {
      mood: 'good',
      op: 'x',
      data: { timestampMs: t + 1, colour: ['red'] },
    })
  })

  it('stands there too where it does not fit its place', () => {
    const event = readLine(line('audit_event', { ...audit, toolManifestDigest: 'sha256:x', stateChanging: 'yes' }))
    assert.deepEqual('unmapped' in event.data && event.data.unmapped, {
      data: { toolManifestDigest: 'sha256:x', stateChanging: 'yes' },
    })
  })

  it('of its time or number, where they are none, is kept and not guessed', () => {
    const event = readLine({ n: -1, t: 'soon', type: 'request_identity', data: { principalHash: h16, sessionId: 's' } })
    assert.equal(event.time, undefined)
    assert.equal(event.sequence, undefined)
    assert.deepEqual('unmapped' in event.data && event.data.unmapped, { n: -1, t: 'soon' })
  })
})

describe('a line that fits no kind', () => {
  const all = (event: AepEvent) => 'unmapped' in event.data && event.data.unmapped
  const unrecognised = [
    ['an unknown type', line('tool_retired', { toolName: 'x' })],
    ['an unknown op', line('scope_lease', lease, { op: 'renewed' })],
    ['an op of another kind', line('scope_lease', lease, { op: 'recorded' })],
    ['no op', line('scope_lease', lease)],
    ['no type', { n: 7, t, data: {} }],
    ['a type by the name of a method', line('constructor', {})],
    ['a decision outside the set', line('audit_event', { ...audit, decision: 'escalate' })],
    ['a lease without an id', line('scope_lease', { ...lease, leaseId: undefined as unknown as Json }, { op: 'used' })],
    ['a limit that is no number', line('scope_lease', { ...lease, maxInvocations: '3' }, { op: 'granted' })],
    ['tools that are no list', line('scope_lease', { ...lease, grantedTools: 'all' }, { op: 'granted' })],
    ['a holder that is no hash', line('scope_lease', { ...lease, principalHash: 'Bob' }, { op: 'granted' })],
    ['data that is no object', line('audit_event', 'x')],
    ['no data', { n: 7, t, type: 'aep_record' }],
  ] as const
  for (const [what, said] of unrecognised) {
    it(`(${what}) is kept whole, as an unrecognised observation`, () => {
      const event = readLine(said)
      assert.equal(event.type, 'aep.vetting')
      assert.equal('subject' in event.data && event.data.subject, 'unrecognised')
      const { n: _, t: __, ...rest } = JSON.parse(JSON.stringify(said)) as JsonObject
      assert.deepEqual(all(event), rest)
    })
  }

  it('never makes the reader fail, and loses no member, whatever is in it', () => {
    const kinds = fc.constantFrom('audit_event', 'scope_lease', 'approval_receipt', 'aep_record', 'rug_pull', 'x')
    const ops = fc.constantFrom('granted', 'used', 'altered', 'revoked', 'found-expired', 'recorded', 5)
    const data = fc.oneof(
      fc.json().map(text => JSON.parse(text) as Json),
      fc.record({
        leaseId: fc.string(),
        principalHash: fc.constant(h16),
        maxInvocations: fc.integer(),
        odd: fc.string(),
      }),
    )
    fc.assert(
      fc.property(kinds, ops, data, (type, op, said) => {
        const text = JSON.stringify({ t, type, op, data: said })
        if (!wellFormed(text) || text.includes('__proto__')) return
        const event = read(text)
        assert.equal(event.id, hex(nodeSuite.sha256(utf8(text))))
      }),
    )
  })
})

const wellFormed = (text: string) => JSON.parse(text) !== undefined && !/\\ud[89a-f]/i.test(text)

describe('odd leases', () => {
  const granted = (changes: JsonObject) => {
    const { expiresAt, ...others } = lease
    const data = { ...others, ...('expiresAt' in changes ? {} : { expiresAt }), ...changes }
    return readLine(line('scope_lease', data, { op: 'granted' }))
  }
  const expiry = (event: AepEvent) => event.type === 'aep.lease.granted' && event.data.expires_at

  it('with an expiry that is no date keep it as it was given', () => {
    assert.equal(expiry(granted({ expiresAt: 'never' })), 'never')
    assert.equal(expiry(granted({ expiresAt: t })), String(t))
    assert.equal(expiry(granted({ expiresAt: null })), 'null')
  })

  it('without an expiry have the empty one, which is no date either', () => {
    const { expiresAt: _, ...data } = lease
    assert.equal(expiry(readLine(line('scope_lease', data, { op: 'granted' }))), '')
  })

  it('with a limit of zero or less keep it', () => {
    for (const maxInvocations of [0, -1]) {
      const event = granted({ maxInvocations })
      assert.equal(event.type === 'aep.lease.granted' && event.data.max_invocations, maxInvocations)
    }
  })
})

interface Summary {
  readonly lines: number
  readonly types: Readonly<Record<string, number>>
  readonly decisions: Readonly<Record<string, number>>
  readonly deny_reason_classes: Readonly<Record<string, number>>
  readonly approval_modes: Readonly<Record<string, number>>
  readonly matched_policies: Readonly<Record<string, number>>
  readonly state_changing_events: number
  readonly aep_records: number
  readonly receipts: number
  readonly consents: { readonly recorded: number }
  readonly events_per_principal: Readonly<Record<string, number>>
  readonly events_per_tool: Readonly<Record<string, number>>
  readonly events_per_server: Readonly<Record<string, number>>
}

const summaries = (): [string, Summary][] =>
  Object.entries(JSON.parse(conformanceText('gateway/summary.json')) as object)

/** How often each value comes; what is absent is not counted. */
function tally(values: Iterable<string | undefined>): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const value of values) if (value !== undefined) counts[value] = (counts[value] ?? 0) + 1
  return counts
}

describe('the streams of the conformance set', { skip: conformanceSkip }, () => {
  for (const [file, summary] of conformanceSkip ? [] : summaries()) {
    const lines = conformanceText(file).trimEnd().split('\n')
    const own = { source: wasmagentSource(lines[0] ?? '', nodeSuite) }
    const events = lines.map(text => wasmagentEvent(text, own, nodeSuite))
    const facts = events.map(event => factsOf(event))
    const decided = events.flatMap((event, n) =>
      event.type === 'aep.decision' ? (facts[n] ?? []) : [],
    ) as DecisionFact[]

    it(`${file}: an event a line, each accepted, none left over or unrecognised`, () => {
      assert.equal(events.length, summary.lines)
      assert.equal(new Set(events.map(event => event.id)).size, summary.lines)
      for (const event of events) {
        assert.ok(acceptEvent(event as Json).ok)
        assert.equal('unmapped' in event.data, false, JSON.stringify(event))
      }
      assert.equal(events.filter(event => event.type === 'aep.record').length, summary.aep_records)
      assert.equal(events.filter(event => event.type === 'aep.receipt').length, summary.receipts)
    })

    it(`${file}: its decisions, as the summary counts them`, () => {
      assert.deepEqual(tally(decided.map(fact => fact.decision)), summary.decisions)
      assert.deepEqual(tally(decided.flatMap(fact => fact.policies)), summary.matched_policies)
      assert.equal(decided.filter(fact => fact.stateChanging).length, summary.state_changing_events)
      assert.deepEqual(tally(decided.map(fact => fact.principal)), summary.events_per_principal)
      assert.deepEqual(tally(decided.map(fact => fact.tool)), summary.events_per_tool)
      assert.deepEqual(tally(decided.map(fact => fact.server)), summary.events_per_server)
      const consents = facts.flat().filter(fact => fact.kind === 'consent' && fact.op === 'recorded')
      assert.equal(consents.length, summary.consents.recorded)
    })

    it(`${file}: a decision has one id, in its event, its record and its use`, () => {
      const ids = new Set(decided.map(fact => fact.decisionId))
      assert.equal(ids.size, decided.length)
      for (const fact of facts.flat()) {
        const cited =
          fact.kind === 'decision' || fact.kind === 'lease-used' || fact.kind === 'taint' || fact.kind === 'result'
        if (cited) assert.ok(fact.decisionId !== undefined && ids.has(fact.decisionId), JSON.stringify(fact))
      }
    })

    // Deny reason and approval mode stand in the records alone: a stream with a record a decision has them all.
    it(`${file}: deny reasons and approval modes, as far as its records tell them`, () => {
      const recorded = events.flatMap((event, n) => (event.type === 'aep.record' ? (facts[n] ?? []) : []))
      const told = recorded.filter(fact => fact.kind === 'decision')
      const denied = tally(told.map(fact => fact.denyReason))
      const modes = tally(told.map(fact => fact.approvalMode))
      if (told.length === decided.length) {
        assert.deepEqual(denied, summary.deny_reason_classes)
        assert.deepEqual(modes, summary.approval_modes)
        return
      }
      assert.ok(told.length > 0)
      for (const [name, count] of Object.entries(denied))
        assert.ok(count <= (summary.deny_reason_classes[name] ?? 0), name)
      for (const [name, count] of Object.entries(modes)) assert.ok(count <= (summary.approval_modes[name] ?? 0), name)
    })
  }
})
