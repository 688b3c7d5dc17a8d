import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { Json, JsonObject } from '../../../src/aep/json.ts'
import { keyRing } from '../../../src/aep/keyring.ts'
import { type JudgeOptions, judgeRecord } from '../../../src/aep/record/judge.ts'
import { utf8 } from '../../../src/base/bytes.ts'
import { nodeSuite } from '../../../src/crypto/node.ts'
import { portableSuite } from '../../../src/crypto/portable.ts'
import {
  alice,
  bob,
  chainHashOf,
  change,
  mallory,
  plainAction,
  plainRecord,
  ringOfAlice,
  ringOfBoth,
  signed,
} from '../../support/aep.ts'

const judge = (record: Json | string, keys = ringOfAlice, options: JudgeOptions = {}) =>
  judgeRecord(typeof record === 'string' ? record : JSON.stringify(record), keys, nodeSuite, options)
const reasons = (record: Json | string, keys = ringOfAlice, options: JudgeOptions = {}) => [
  ...judge(record, keys, options).reasons,
]

describe('a signed record', () => {
  const record = signed(plainRecord())
  it('is accepted, with nothing to say about it', () => {
    const { verdict, reasons, findings, notes } = judge(record)
    assert.deepEqual({ verdict, reasons, findings, notes }, { verdict: 'accept', reasons: [], findings: [], notes: [] })
  })
  it('is accepted by the portable suite too', () =>
    assert.equal(judgeRecord(JSON.stringify(record), ringOfAlice, portableSuite).verdict, 'accept'))
  it('is accepted in every version that signs so', () => {
    for (const version of ['aep/v0.1', 'aep/v0.2', 'aep/v0.3']) {
      assert.deepEqual(reasons(signed(plainRecord({ schema_version: version }))), [], version)
    }
  })
  it('is accepted however its text is laid out, as text or as bytes', () => {
    const reversed = Object.fromEntries(Object.entries(record).reverse())
    for (const text of [JSON.stringify(reversed, null, 2), `\n\t${JSON.stringify(record)}\r\n`]) {
      assert.deepEqual(reasons(text), [])
      assert.deepEqual(judgeRecord(utf8(text), ringOfAlice, nodeSuite).reasons, [])
    }
    assert.deepEqual(reasons(JSON.stringify(record).replace('1780000000000,', '1.780e12,')), [])
  })
  it('gives its reading and the hash that the next record names', () => {
    const {
      record: reading,
      chainHash,
      chainHashWithoutProof,
      prevRecordHash,
    } = judge(signed(plainRecord({ prev_record_hash: 'p' })))
    assert.equal(reading?.run_id, 'run-1')
    assert.equal(chainHash, chainHashOf(plainRecord({ prev_record_hash: 'p' })))
    assert.equal(chainHashWithoutProof, undefined)
    assert.equal(prevRecordHash, 'p')
  })
  it('may be of a mebibyte and more', () => {
    const refs = Array.from({ length: 12_000 }, (_, i) => ({
      uri: `file:///${i}`,
      digest: 'a'.repeat(64),
      taint_labels: [],
    }))
    const large = JSON.stringify(signed(plainRecord({ input_refs: refs })))
    assert.ok(large.length > 1_048_576)
    assert.deepEqual(reasons(large), [])
    assert.deepEqual(reasons(`${' '.repeat(4_194_304)}${large}`), ['size-limit'])
  })
})

describe('a changed record', () => {
  const record = signed(
    plainRecord({
      user_id: 'user-1',
      parent_trace_id: null,
      capability_decisions: [
        {
          capability: 'c',
          subject: 's',
          resource: 'r',
          decision: 'deny',
          deny_reason_class: 'other',
          approval_mode: 'none',
        },
      ],
      actions: [plainAction({ state_digest_coverage: { paths: ['/a'], depth: 3, deep: [{ k: null }] } })],
      run_context: { delegation_chain: ['user:root'], turn_index: 0 },
    }),
  )

  it('is refused at every leaf', () => {
    let leaves = 0
    for (const path of leavesOf(record)) {
      if (path[0] === 'signature') continue
      leaves++
      const other = changed(leafAt(record, path))
      assert.ok(reasons(change(record, path, other)).includes('signature-mismatch'), path.join('/'))
    }
    assert.ok(leaves > 20)
  })
  it('is refused with a member too many, too few or under another name', () => {
    assert.deepEqual(reasons({ ...record, x_note: 1 }), ['signature-mismatch'])
    assert.deepEqual(reasons(change(record, ['actions', 0, 'outcome'], 'ok')), ['signature-mismatch'])
    assert.deepEqual(reasons(change(record, ['user_id'], undefined)), ['signature-mismatch'])
    assert.deepEqual(reasons(change(change(record, ['user_id'], undefined), ['User_id'], 'user-1')), [
      'signature-mismatch',
    ])
    assert.deepEqual(reasons(change(record, ['run_id'], undefined)), ['schema', 'signature-mismatch'])
  })
  it('is refused however little the change', () => {
    const named = signed(plainRecord({ user_id: 'Zo\u00eb', run_id: 'Run' }))
    for (const [member, to] of [
      ['user_id', 'Zoe\u0308'],
      ['user_id', 'Zo\u00eb '],
      ['run_id', 'run'],
    ] as const) {
      assert.deepEqual(reasons({ ...named, [member]: to }), ['signature-mismatch'], to)
    }
    assert.deepEqual(reasons({ ...named, parent_trace_id: null }), ['signature-mismatch'])
  })
})

describe('a text that is no record', () => {
  it('is refused for what it is', () => {
    assert.deepEqual(reasons(''), ['not-json'])
    assert.deepEqual(reasons('{"a":1'), ['not-json'])
    for (const text of ['null', '1', '"x"', '[]', JSON.stringify([signed(plainRecord())])]) {
      assert.deepEqual(reasons(text), ['not-object'], text)
    }
    assert.deepEqual(reasons(`${'['.repeat(300)}`), ['nesting-limit'])
    assert.deepEqual([...judgeRecord(Uint8Array.of(0x7b, 0xff), ringOfAlice, nodeSuite).reasons], ['invalid-utf8'])
  })
  it('is refused for what I-JSON refuses, though the reference would take it', () => {
    const text = JSON.stringify(
      signed(plainRecord({ actions: [plainAction({ state_digest_coverage: { n: 9007199254740992 } })] })),
    )
    assert.deepEqual(reasons(text), [])
    assert.deepEqual(reasons(`\ufeff${text}`), ['bom'])
    assert.deepEqual(reasons(text.replace('9007199254740992', '9007199254740993')), ['number-lossy'])
    assert.deepEqual(reasons(text.replace('{', '{"__proto__":{"run_id":"x"},')), ['unsafe-key'])
    assert.deepEqual(reasons(text.replace('"run_id"', '"run_id":"evil","run_id"')), ['duplicate-key'])
    assert.deepEqual(reasons(text.replace('"run_id":"run-1"', '"run_id":"run-1","run_id":"evil"')), [
      'duplicate-key',
      'signature-mismatch',
    ])
  })
  it('may hold lone surrogates, which the reference signs', () => {
    const record = signed(plainRecord({ user_id: '\ud800', run_id: 'x\udc00' }))
    assert.deepEqual(reasons(JSON.stringify(record)), [])
  })
})

describe('a record that breaks the schema', () => {
  it('is refused although its signature holds', () => {
    const broken: JsonObject[] = [
      { schema_version: 'aep/v0.5' },
      { run_id: 1 },
      { run_id: null },
      { user_id: null },
      { created_at_ms: '1' },
      { actions: null },
      { actions: {} },
      { actions: [plainAction({ state_changing: 'true' })] },
      { actions: [plainAction({ side_effect_class: 'network-write' })] },
      { actions: [plainAction({ recording_mode: 'summary' })] },
      { actions: [plainAction({ exit_code: 0.5 })] },
      { actions: [plainAction({ argument_drift: 'yes' })] },
      { actions: [plainAction({ evidence_refs: 'x' })] },
      { run_context: { turn_index: -1 } },
      { budget_ledger: { token_budget: {} } },
      { capability_decisions: [{ capability: 'c', subject: 's', resource: 'r', decision: 'allow ' }] },
      { prev_record_hash: 1 },
    ]
    for (const changes of broken) {
      assert.deepEqual(reasons(signed(plainRecord(changes))), ['schema'], JSON.stringify(changes))
    }
  })
  it('is told where it breaks it', () => {
    const { notes } = judge(signed(plainRecord({ actions: [plainAction({ tool_name: 1 })] })))
    assert.deepEqual(
      notes.map(({ class: what, pointer }) => [what, pointer]),
      [['schema', '/actions/0/tool_name']],
    )
  })
})

describe('members beyond the schema', () => {
  it('are named where they are signed', () => {
    const record = signed(plainRecord({ x_vendor: { n: 1 }, actions: [plainAction({ x_cost: 1.25 })] }))
    const { verdict, findings, notes } = judge(record)
    assert.deepEqual([verdict, findings], ['accept', ['unknown-field']])
    assert.deepEqual(
      notes.map(({ pointer }) => pointer),
      ['/actions/0/x_cost', '/x_vendor'],
    )
  })
  it('are named where no signature covers them', () => {
    const record = change(signed(plainRecord()), ['signature', 'log'], 'rekor:1')
    const { verdict, findings } = judge(record)
    assert.deepEqual([verdict, findings], ['accept', ['unsigned-member']])
  })
  it('are none inside what the emitter may fill as it likes', () => {
    const record = signed(
      plainRecord({ actions: [plainAction({ state_digest_coverage: { x: { y: [{}] }, constructor: 1 } })] }),
    )
    assert.deepEqual(judge(record).findings, [])
  })
  it('may be missing where the schema has a default, which nobody signed', () => {
    const bare = { schema_version: 'aep/v0.2', run_id: 'r', created_at_ms: 1, actions: [] }
    const { verdict, findings, record } = judge(signed(bare))
    assert.deepEqual([verdict, findings], ['accept', ['defaults-not-applied']])
    assert.deepEqual(record?.input_refs, [])
  })
})

describe('the time of a key', () => {
  const record = signed(plainRecord({ created_at_ms: 1000 }))
  const within = (keyValidity: JudgeOptions['keyValidity'] & object) => reasons(record, ringOfAlice, { keyValidity })
  it('is when the record says it was made, both ends inclusive', () => {
    assert.deepEqual(within([{ keyId: 'alice', notBeforeMs: 1000, notAfterMs: 1000 }]), [])
    assert.deepEqual(within([{ keyId: 'alice', notAfterMs: 999 }]), ['key-not-valid-at-time'])
    assert.deepEqual(within([{ keyId: 'alice', notBeforeMs: 1001 }]), ['key-not-valid-at-time'])
    assert.deepEqual(within([{ keyId: 'bob', notAfterMs: 1 }]), [])
    assert.deepEqual(
      within([
        { keyId: 'alice', notAfterMs: 1 },
        { keyId: 'alice', notBeforeMs: 900 },
      ]),
      [],
    )
  })
  it('may be said by the key ring', () => {
    assert.deepEqual(reasons(record, keyRing([{ ...alice, notAfterMs: 999 }])), ['key-not-valid-at-time'])
    assert.deepEqual(reasons(record, keyRing([{ ...alice, notAfterMs: 1000 }])), [])
  })
})

describe('the judgement', () => {
  it('names all that is wrong at once, in the order of the vocabulary', () => {
    const record = change(change(signed(plainRecord(), bob), ['signature', 'alg'], 'none'), ['run_id'], 1)
    assert.deepEqual(reasons(`\ufeff${JSON.stringify(record)}`, ringOfBoth), ['bom', 'schema', 'signature-alg'])
  })
  it('throws at nothing', () => {
    const shape = fc.record(
      {
        schema_version: fc.constantFrom('aep/v0.3', 'aep/v0.4', 'x', 1),
        run_id: fc.oneof(fc.string(), fc.jsonValue()),
        actions: fc.oneof(fc.array(fc.oneof(fc.constant(plainAction()), fc.jsonValue())), fc.jsonValue()),
        timestamp_proof: fc.oneof(fc.jsonValue(), fc.constant({ timestamp: '\ud800', authority: 'a', proof: 'x' })),
        signature: fc.oneof(
          fc.jsonValue(),
          fc.constant({ alg: 'ed25519', key_id: 'alice', sig: 'A'.repeat(86).concat('==') }),
        ),
        dsse_envelope: fc.oneof(
          fc.jsonValue(),
          fc.constant({ payloadType: 'x', payload: 'e30=', signatures: [{ sig: '' }] }),
        ),
      },
      { requiredKeys: [] },
    )
    fc.assert(
      fc.property(shape, value => {
        assert.equal(judge(value as Json).verdict, 'reject')
      }),
      { numRuns: 500, seed: 2 },
    )
  })
  it('is that of an outsider for a key in no ring', () =>
    assert.deepEqual(reasons(signed(plainRecord(), mallory), ringOfBoth), ['key-unknown']))
})

function* leavesOf(value: Json, path: (string | number)[] = []): Generator<(string | number)[]> {
  if (value === null || typeof value !== 'object') yield path
  else if (Array.isArray(value)) for (const [i, inner] of value.entries()) yield* leavesOf(inner as Json, [...path, i])
  else for (const [member, inner] of Object.entries(value)) yield* leavesOf(inner, [...path, member])
}

const leafAt = (value: Json, path: readonly (string | number)[]): Json =>
  path.reduce<Json>((inner, step) => (inner as Record<string | number, Json>)[step] ?? null, value)

function changed(leaf: Json): Json {
  if (typeof leaf === 'boolean') return !leaf
  if (typeof leaf === 'number') return leaf + 1
  return typeof leaf === 'string' ? `${leaf}x` : 'x'
}
