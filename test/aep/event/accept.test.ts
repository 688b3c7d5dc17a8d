import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { canonicalText } from '../../../src/aep/canonical.ts'
import { acceptEvent, checkEvent } from '../../../src/aep/event/accept.ts'
import { type EventType, emitterEventTypes, eventTypes, ledgerEventTypes } from '../../../src/aep/event/schema.ts'
import { isObject, type Json, type JsonObject } from '../../../src/aep/json.ts'
import { approvalModes, decisions, denyReasonClasses, outcomes, sideEffectClasses } from '../../../src/aep/sets.ts'
import { attributes, fullData, head, required, smallestDecision } from '../../vectors/events.ts'

type Path = readonly (string | number)[]

/** All shapes of all types, with every member. */
const shapes = eventTypes.flatMap(type =>
  fullData[type].map((data, shape) => ({ type, shape, event: { ...attributes, type, data } as JsonObject })),
)

const decisionWith = (data: JsonObject, outside: JsonObject = {}): JsonObject => ({
  ...head,
  type: 'aep.decision',
  data: { decision: 'deny', ...data },
  ...outside,
})

const faultsOf = (value: Json) => {
  const { ok, ...rest } = checkEvent(value)
  assert.equal(ok, false)
  return 'errors' in rest ? rest.errors : []
}
const pointersOf = (value: Json) => faultsOf(value).map(({ pointer }) => pointer)

describe('an event of a known type', () => {
  it('is accepted in its smallest form, and its canonical text is its RFC 8785 form', () => {
    assert.deepEqual(acceptEvent(smallestDecision), {
      ok: true,
      event: smallestDecision,
      canonical: canonicalText(smallestDecision),
    })
  })

  for (const { type, shape, event } of shapes) {
    it(`${type} (${shape}) may have every member it has`, () => {
      assert.deepEqual(checkEvent(event), { ok: true, event })
    })

    it(`${type} (${shape}) needs only what it can't be without`, () => {
      const data = isObject(event['data']) ? event['data'] : {}
      const least = Object.fromEntries((required[type][shape] ?? []).map(name => [name, data[name] ?? null]))
      assert.equal(checkEvent({ ...head, type, data: least }).ok, true)
      for (const name of Object.keys(least)) {
        const { [name]: _, ...less } = least
        assert.ok(pointersOf({ ...head, type, data: less }).includes(`/data/${name}`), name)
      }
    })

    it(`${type} (${shape}) has no member beside, at any depth`, () => {
      for (const path of objectsIn(event)) {
        const pointers = pointersOf(changed(event, [...path, 'x_stranger'], true))
        assert.ok(pointers.includes(`/${[...path, 'x_stranger'].join('/')}`), `${path} ${pointers}`)
      }
    })

    it(`${type} (${shape}) has members of their kind, and a fault points at the one that is not`, () => {
      for (const path of leavesIn(event)) {
        for (const wrong of [{ not: 'a leaf' }, null]) {
          const pointers = pointersOf(changed(event, path, wrong))
          assert.ok(
            pointers.some(pointer => `/${path.join('/')}`.startsWith(pointer)),
            `${path} ${pointers}`,
          )
        }
      }
    })
  }

  it('is told apart from a stranger', () => {
    assert.deepEqual(pointersOf({ ...smallestDecision, type: 'aep.decisions' }), ['/type'])
    assert.deepEqual(pointersOf({ ...smallestDecision, type: 'toString' }), ['/type'])
    assert.match(
      faultsOf({ ...smallestDecision, type: 'x' })[0]?.detail ?? '',
      /takes one of aep\.decision, aep\.lease/,
    )
    for (const value of [null, 5, 'aep.decision', [smallestDecision]]) assert.deepEqual(pointersOf(value), [''])
  })
})

describe('the types of the ledger itself', () => {
  for (const type of ledgerEventTypes) {
    it(`${type} is refused from outside, and fits from inside`, () => {
      const event = { ...attributes, type, data: fullData[type][0] } as Json
      const refused = acceptEvent(event)
      assert.equal(refused.ok, false)
      assert.deepEqual(!refused.ok && refused.errors.map(({ pointer }) => pointer), ['/type'])
      assert.equal(checkEvent(event).ok, true)
    })
  }

  it('and those of emitters are all there are', () => {
    assert.deepEqual([...emitterEventTypes, ...ledgerEventTypes], [...eventTypes])
    assert.equal(new Set<EventType>(eventTypes).size, 21)
  })
})

describe('a value outside its closed set', () => {
  const sets = [
    ['decision', decisions],
    ['deny_reason_class', denyReasonClasses],
    ['side_effect_class', sideEffectClasses],
    ['approval_mode', approvalModes],
  ] as const
  for (const [member, values] of sets) {
    it(`is refused as ${member}, in words that name the set`, () => {
      for (const value of values) assert.equal(checkEvent(decisionWith({ [member]: value })).ok, true, value)
      assert.deepEqual(faultsOf(decisionWith({ [member]: 'Allow' })), [
        { pointer: `/data/${member}`, detail: `"Allow" is not one of ${values.join(', ')}` },
      ])
    })
  }

  it('is refused as the outcome of a result', () => {
    const detail = `"ok" is not one of ${outcomes.join(', ')}`
    assert.deepEqual(faultsOf({ ...head, type: 'aep.result', data: { outcome: 'ok' } }), [
      { pointer: '/data/outcome', detail },
    ])
  })

  it('is refused as the subject of a vetting', () => {
    const detail = '"x" takes one of server_card, tool_descriptor, descriptor_change, lease, unrecognised'
    assert.deepEqual(faultsOf({ ...head, type: 'aep.vetting', data: { subject: 'x' } }), [
      { pointer: '/data/subject', detail },
    ])
  })
})

describe('time', () => {
  const odd = [
    '1970-01-01T00:00:00Z',
    '9999-12-31T23:59:59.999999999Z',
    '2026-12-31T23:59:60Z',
    '2026-01-01t00:00:00+23:59',
  ]
  it('is kept however odd it is, as long as it is a moment', () => {
    for (const time of odd) assert.equal(checkEvent(decisionWith({}, { time })).ok, true, time)
    assert.equal(checkEvent(decisionWith({})).ok, true, 'or absent')
  })

  it('is refused when it is no RFC 3339 date-time', () => {
    for (const time of ['never', '', '2026-01-01', '2026-01-01T00:00:00', '2026-02-30T00:00:00Z', 5, null]) {
      assert.deepEqual(pointersOf(decisionWith({}, { time })), ['/time'], String(time))
    }
  })

  it('of an expiry is kept as it was said, date or not', () => {
    for (const expires_at of ['never', '', '2026-01-01'])
      assert.equal(checkEvent(decisionWith({ expires_at })).ok, true)
    assert.equal(checkEvent(decisionWith({ expires_at: 5 })).ok, false)
  })
})

describe('bounds', () => {
  it('of id and source are 1 to 1,024 characters', () => {
    for (const name of ['id', 'source']) {
      assert.equal(checkEvent(decisionWith({}, { [name]: 'x'.repeat(1024) })).ok, true)
      for (const value of ['', 'x'.repeat(1025)])
        assert.deepEqual(pointersOf(decisionWith({}, { [name]: value })), [`/${name}`])
    }
  })

  it('of a digest are 16 to 64 lower-case hex digits', () => {
    for (const n of [16, 40, 64]) assert.equal(checkEvent(decisionWith({ args_digest: 'a'.repeat(n) })).ok, true)
    for (const args_digest of [
      'a'.repeat(15),
      'a'.repeat(65),
      'A'.repeat(16),
      `${'a'.repeat(16)}\n`,
      'sha256:aaaaaaaaaaaaaaaa',
    ]) {
      assert.deepEqual(pointersOf(decisionWith({ args_digest })), ['/data/args_digest'])
    }
  })

  it('of a sequence are integers from 0, or digits', () => {
    for (const sequence of [0, 2 ** 53 - 1, '0', '00017'])
      assert.equal(checkEvent(decisionWith({}, { sequence })).ok, true)
    for (const sequence of [-1, 1.5, 2 ** 53, '', '1a', true]) {
      assert.deepEqual(pointersOf(decisionWith({}, { sequence })), ['/sequence'])
    }
  })
})

describe('faults', () => {
  it('are all named, of attributes and data, each where it is', () => {
    const event = decisionWith(
      { decision: 'maybe', layers: { vetting: {} }, matched_policies: ['p', 1, ''], 'a/b~c': 1 },
      { specversion: '0.3', sequence: -1 },
    )
    assert.deepEqual(pointersOf(event).sort(), [
      '/data/a~1b~0c',
      '/data/decision',
      '/data/layers/vetting/verdict',
      '/data/matched_policies/1',
      '/data/matched_policies/2',
      '/sequence',
      '/specversion',
    ])
  })

  it('name the attributes of an event whose type nobody knows too', () => {
    assert.deepEqual(pointersOf({ specversion: '1.0', source: '', type: 'x' }), ['/id', '/source', '/type'])
  })

  it('name the members that there are where one is not known', () => {
    const [fault] = faultsOf({ ...head, type: 'aep.vetting', data: { subject: 'lease', lease_id: 'l', server: 's' } })
    assert.match(fault?.detail ?? '', /^is not known here; known are subject, lease_id, principal_hash/)
  })

  it('of an event with two possible shapes are those of the nearer one', () => {
    const data = { record_digest: 'ab', record_length: 5 }
    assert.deepEqual(pointersOf({ ...head, type: 'aep.record', data }), ['/data/record_digest'])
    assert.deepEqual(pointersOf({ ...head, type: 'aep.record', data: { record: '' } }), ['/data/record'])
  })

  it('quote no long value whole', () => {
    const [fault] = faultsOf(decisionWith({ decision: 'x'.repeat(500) }))
    assert.ok((fault?.detail.length ?? 0) < 200)
  })
})

/** Paths of the objects whose members are a closed list. */
function objectsIn(value: Json | undefined, path: Path = []): Path[] {
  if (Array.isArray(value)) return value.flatMap((item, n) => objectsIn(item, [...path, n]))
  if (!isObject(value)) return []
  if (['args', 'unmapped', 'coverage'].includes(String(path.at(-1)))) return []
  return [path, ...Object.entries(value).flatMap(([name, member]) => objectsIn(member, [...path, name]))]
}

/** Paths of all values that are neither objects nor lists, but for those that may be anything. */
function leavesIn(value: Json | undefined, path: Path = []): Path[] {
  if (['args', 'unmapped', 'coverage'].includes(String(path.at(-1)))) return []
  if (Array.isArray(value)) return value.flatMap((item, n) => leavesIn(item, [...path, n]))
  if (!isObject(value)) return [path]
  return Object.entries(value).flatMap(([name, member]) => leavesIn(member, [...path, name]))
}

/** The value with another one at `path`. */
function changed(value: Json | undefined, [step, ...rest]: Path, to: Json): Json {
  if (step === undefined) return to
  if (Array.isArray(value)) return value.map((item: Json, n) => (n === step ? changed(item, rest, to) : item))
  const object = isObject(value) ? value : {}
  return { ...object, [step]: changed(object[step], rest, to) }
}
