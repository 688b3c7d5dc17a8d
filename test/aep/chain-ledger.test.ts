import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { referenceCanonicalText } from '../../src/aep/canonical.ts'
import { judgeReferenceLedger, type ReferenceLedgerOptions } from '../../src/aep/chain-ledger.ts'
import type { Json, JsonObject } from '../../src/aep/json.ts'
import { hex, utf8 } from '../../src/base/bytes.ts'
import { nodeSuite } from '../../src/crypto/node.ts'
import { chainHashOf, chainOf, change, plainRecord, ringOfAlice, signed, texts } from '../support/aep.ts'

const sha256 = (text: string) => hex(nodeSuite.sha256(utf8(text)))
type Entry = { seq: number; prevHash: string; record: JsonObject; hash: string }

/** Records as the reference's `Ledger.append` wraps them. */
function ledgerOf(records: readonly JsonObject[]): Entry[] {
  const entries: Entry[] = []
  for (const [seq, record] of records.entries()) {
    const prevHash = entries.at(-1)?.hash ?? ''
    entries.push({ seq, prevHash, record, hash: sha256(referenceCanonicalText({ seq, prevHash, record })) })
  }
  return entries
}

function judge(entries: readonly Json[], options: ReferenceLedgerOptions = {}) {
  const { reasons, findings, firstBadIndex } = judgeReferenceLedger(texts(entries), ringOfAlice, nodeSuite, options)
  return { reasons: [...reasons], findings: [...findings], at: firstBadIndex }
}
const sound = { reasons: [], findings: [], at: undefined }
const refused = (at: number | undefined, ...reasons: string[]) => ({ reasons, findings: [], at })
const chain = chainOf(6)
const ledger = ledgerOf(chain) as (Entry & JsonObject)[]

describe('a reference ledger', () => {
  it('is accepted as it was appended, and empty', () => {
    assert.deepEqual(judge(ledger), sound)
    assert.deepEqual(judge([]), { reasons: [], findings: ['empty'], at: undefined })
  })
  it('names a member that no hash covers', () =>
    assert.deepEqual(judge(change(ledger, [2, 'note'], 1) as Json[]), { ...sound, findings: ['unsigned-member'] }))
  it('is refused where an entry was changed', () => {
    const changed = (path: (string | number)[], to: Json) => judge(change(ledger, path, to) as Json[])
    assert.deepEqual(
      changed([3, 'record', 'user_id'], 'x'),
      refused(3, 'signature-mismatch', 'chain-link-mismatch', 'ledger-hash'),
    )
    assert.deepEqual(changed([3, 'hash'], '0'.repeat(64)), refused(3, 'ledger-link', 'ledger-hash'))
    assert.deepEqual(changed([4, 'seq'], 7), refused(4, 'ledger-seq', 'ledger-hash'))
    assert.deepEqual(changed([2, 'prevHash'], '0'.repeat(64)), refused(2, 'ledger-link', 'ledger-hash'))
    assert.deepEqual(changed([0, 'prevHash'], 'x'), refused(0, 'ledger-link', 'ledger-hash'))
    assert.deepEqual(changed([1, 'record'], 1), refused(1, 'schema'))
    assert.deepEqual(changed([1], 1), refused(1, 'not-object'))
  })
  it('is refused where an entry is missing or doubled', () => {
    assert.deepEqual(judge(ledger.toSpliced(2, 1)), refused(2, 'chain-link-mismatch', 'ledger-seq', 'ledger-link'))
    assert.deepEqual(judge(ledger.slice(1)).at, 0)
    assert.deepEqual(judge(ledger.flatMap((entry, i) => (i === 2 ? [entry, entry] : [entry]))).at, 3)
  })
  it('is refused by its records’ own chain when somebody numbered and hashed it anew', () =>
    assert.deepEqual(judge(ledgerOf(chain.toSpliced(1, 1)) as Json[]), refused(1, 'chain-link-mismatch')))
  it('is refused for a record that nobody signed, which the reference appends', () => {
    const placeholder = {
      ...plainRecord(),
      signature: { alg: 'ed25519', key_id: 'alice', sig: 'UNSIGNED_PLACEHOLDER' },
    }
    assert.deepEqual(judge(ledgerOf([placeholder]) as Json[]), refused(0, 'unsigned', 'signature-encoding'))
  })
  it('is refused where its signature block was changed and the entry hashed anew', () => {
    const records = chain.map((record, i) =>
      i === 2 ? (change(record, ['signature', 'key_id'], 'x') as JsonObject) : record,
    )
    const entries = ledger.map((entry, i) => (i === 2 ? { ...ledgerOf(records)[2] } : entry)) as Json[]
    assert.deepEqual(judge(entries), refused(2, 'key-unknown', 'ledger-link'))
  })
  it('is held to an anchor on its entries or on its records', () => {
    const short = ledger.slice(0, 4)
    const [entryHead, recordHead] = [ledger[5]?.hash ?? '', chainHashOf(chain[5] ?? {})]
    for (const headHash of [entryHead, recordHead]) {
      assert.deepEqual(judge(ledger, { anchor: { count: 6, headHash } }), sound)
      assert.deepEqual(judge(short, { anchor: { count: 6, headHash } }), refused(4, 'chain-truncated'))
      const anew = ledgerOf(chain.with(5, signed({ ...chain[5], run_id: 'anew' }))) as Json[]
      assert.deepEqual(judge(anew, { anchor: { count: 6, headHash } }), refused(5, 'chain-head-hash-mismatch'))
    }
  })
})

it('an entry that cannot be read spoils only itself', () => {
  const lines = texts(ledger).map((line, i) => (i === 2 ? '{"seq":2' : i === 4 ? '"text"' : line))
  const { reasons, firstBadIndex } = judgeReferenceLedger(lines, ringOfAlice, nodeSuite)
  assert.deepEqual([[...reasons], firstBadIndex], [['not-json', 'not-object'], 2])
})

describe('a compaction', () => {
  const compacted = ledger.slice(1, 4)
  const compaction: JsonObject = {
    fromSeq: 1,
    toSeq: 3,
    recordCount: 3,
    proofHash: sha256(compacted.map(({ hash }) => hash).join('')),
    firstRecordHash: compacted[0]?.hash ?? null,
    firstRecordPrevHash: ledger[0]?.hash ?? null,
    lastRecordHash: compacted[2]?.hash ?? null,
    toolRollups: [
      { tool_name: 'write_file', count: 3, state_changing_count: 3, side_effect_classes: { 'mutate-local': 3 } },
    ],
    startedAtMs: 1_780_000_001_000,
    endedAtMs: 1_780_000_003_000,
    runIds: ['run-1'],
    compactedAtMs: 1,
  }
  const judged = (changes: JsonObject) => judge(ledger, { compaction: { ...compaction, ...changes } })
  it('is accepted when it says what its entries do, whenever and under whatever label', () => {
    assert.deepEqual(judged({}), sound)
    assert.deepEqual(judged({ label: 'roll', compactedAtMs: 2 }), sound)
  })
  it('is refused when any of its members says another thing', () => {
    const others: JsonObject = {
      fromSeq: 0,
      toSeq: 9,
      recordCount: 4,
      proofHash: '0'.repeat(64),
      firstRecordHash: '0',
      firstRecordPrevHash: '',
      lastRecordHash: '0',
      toolRollups: [],
      startedAtMs: 0,
      endedAtMs: 0,
      runIds: ['run-1', 'run-2'],
    }
    for (const [member, value] of Object.entries(others)) {
      assert.deepEqual(judged({ [member]: value }), refused(undefined, 'compaction-mismatch'), member)
    }
  })
  it('counts tools in whatever order', () => {
    const actions = ['b', 'a'].map(tool_name => ({
      action_id: tool_name,
      tool_name,
      state_changing: false,
      timestamp_ms: 1,
    }))
    const entries = ledgerOf([signed(plainRecord({ actions, run_side_effect_class_max: 'unknown' }))])
    const [entry] = entries
    assert.ok(entry)
    const rollup = (tool_name: string) => ({
      tool_name,
      count: 1,
      state_changing_count: 0,
      side_effect_classes: { unknown: 1 },
    })
    const { reasons } = judge(entries as Json[], {
      compaction: {
        ...compaction,
        ...{ fromSeq: 0, toSeq: 0, recordCount: 1, proofHash: sha256(entry.hash), runIds: ['run-1'] },
        ...{ firstRecordHash: entry.hash, firstRecordPrevHash: '', lastRecordHash: entry.hash },
        ...{ startedAtMs: 1_780_000_000_000, endedAtMs: 1_780_000_000_000, toolRollups: [rollup('b'), rollup('a')] },
      },
    })
    assert.deepEqual(reasons, [])
  })
  it('is refused when it has not the members of one', () => {
    for (const compaction of [null, 1, {}, []] as Json[]) {
      assert.deepEqual(judge(ledger, { compaction }), refused(undefined, 'schema'))
    }
  })
})
