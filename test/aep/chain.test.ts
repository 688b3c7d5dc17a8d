import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Anchor, judgeChain } from '../../src/aep/chain.ts'
import type { Json, JsonObject } from '../../src/aep/json.ts'
import type { KeyRing } from '../../src/aep/keyring.ts'
import { linesOf } from '../../src/aep/lines.ts'
import { utf8 } from '../../src/base/bytes.ts'
import { nodeSuite } from '../../src/crypto/node.ts'
import {
  alice,
  bob,
  chainHashOf,
  chainOf,
  change,
  enveloped,
  envelopedByEmitter,
  mallory,
  plainAction,
  plainRecord,
  ringOfAlice,
  ringOfBoth,
  signed,
  texts,
} from '../support/aep.ts'

interface Found {
  readonly verdict: string
  readonly reasons: readonly string[]
  readonly at: number | undefined
}

function judge(records: readonly Json[], anchor: Anchor = {}, keys: KeyRing = ringOfAlice): Found {
  const { verdict, reasons, firstBadIndex } = judgeChain(texts(records), keys, nodeSuite, { anchor })
  return { verdict, reasons, at: firstBadIndex }
}
const findings = (records: readonly Json[], anchor: Anchor = {}, keys: KeyRing = ringOfAlice) => {
  const { verdict, reasons, findings } = judgeChain(texts(records), keys, nodeSuite, { anchor })
  assert.deepEqual([verdict, reasons], ['accept', []])
  return [...findings]
}
const refused = (at: number, ...reasons: string[]): Found => ({ verdict: 'reject', reasons, at })
const accepted: Found = { verdict: 'accept', reasons: [], at: undefined }

const chain = chainOf(8)
const anchor: Anchor = { count: 8, firstHash: hashAt(0), headHash: hashAt(7) }
const other = signed(
  plainRecord({ run_id: 'other', prev_record_hash: 'f'.repeat(64), created_at_ms: 1_780_000_003_500 }),
)

function hashAt(index: number): string {
  return chainHashOf(chain.at(index) ?? assert.fail())
}
/** The chain with records `from` to `to` replaced. */
const spliced = (from: number, count: number, ...records: JsonObject[]) => chain.toSpliced(from, count, ...records)
const at = (index: number): JsonObject => chain.at(index) ?? assert.fail()

describe('a chain', () => {
  it('is accepted whole, with or without an anchor', () => {
    assert.deepEqual(judge(chain), accepted)
    assert.deepEqual(judge(chain, anchor), accepted)
    assert.deepEqual(findings(chain, anchor), [])
    assert.equal(judgeChain(texts(chain), ringOfAlice, nodeSuite).headHash, hashAt(7))
  })
  it('is accepted in envelopes and over a change of keys', () => {
    assert.deepEqual(findings(chainOf(4, record => enveloped(record))), [])
    assert.deepEqual(findings(chainOf(4, record => envelopedByEmitter(record))), [
      'dsse-pae-legacy-base64',
      'dsse-schema-version-skew',
    ])
    assert.deepEqual(
      judge(
        chainOf(4, (record, i) => signed(record, i < 2 ? alice : bob)),
        {},
        ringOfBoth,
      ),
      accepted,
    )
  })
  it('may have grown beyond its anchor', () =>
    assert.deepEqual(judge(chain, { count: 5, firstHash: hashAt(0), headHash: hashAt(4) }), accepted))
  it('of one record, and of none', () => {
    assert.deepEqual(judge(chain.slice(0, 1)), accepted)
    assert.deepEqual(findings([]), ['empty'])
    assert.deepEqual(judge([], anchor), refused(0, 'chain-truncated'))
  })
})

describe('a chain is refused, and where', () => {
  it('when a record is missing, doubled, foreign or out of its place', () => {
    assert.deepEqual(judge(spliced(3, 1)), refused(3, 'chain-link-mismatch'))
    assert.deepEqual(judge(spliced(3, 0, at(3))), refused(4, 'chain-link-mismatch', 'chain-duplicate'))
    assert.deepEqual(judge([...chain, at(0)]), refused(8, 'chain-link-missing', 'chain-duplicate'))
    assert.deepEqual(judge(spliced(3, 0, other)), refused(3, 'chain-link-mismatch', 'chain-foreign'))
    assert.deepEqual(
      judge(spliced(3, 0, signed(plainRecord({ run_id: 'x' })))),
      refused(3, 'chain-link-mismatch', 'chain-link-missing', 'chain-foreign'),
    )
    assert.deepEqual(judge(spliced(3, 2, at(4), at(3))), refused(3, 'chain-link-mismatch'))
    assert.deepEqual(judge(spliced(0, 2, at(1), at(0))), refused(0, 'chain-link-mismatch', 'chain-link-missing'))
    assert.deepEqual(judge(chain.toReversed()), refused(0, 'chain-link-mismatch', 'chain-link-missing'))
  })
  it('when a record was changed, resigned by an outsider or unlinked by its signer', () => {
    assert.deepEqual(
      judge(spliced(3, 1, change(at(3), ['run_id'], 'x') as JsonObject)),
      refused(3, 'signature-mismatch', 'chain-link-mismatch'),
    )
    assert.deepEqual(
      judge(spliced(7, 1, change(at(7), ['run_id'], 'x') as JsonObject)),
      refused(7, 'signature-mismatch'),
    )
    assert.deepEqual(judge(spliced(3, 1, signed(at(3), mallory))), refused(3, 'key-unknown'))
    assert.deepEqual(
      judge(spliced(3, 1, signed({ ...at(3), prev_record_hash: null }))),
      refused(3, 'chain-link-mismatch', 'chain-link-missing'),
    )
    const swapped = spliced(
      3,
      2,
      { ...at(3), signature: at(4)['signature'] ?? null },
      { ...at(4), signature: at(3)['signature'] ?? null },
    )
    assert.deepEqual(judge(swapped), refused(3, 'signature-mismatch'))
  })
  it('when two records name the same one', () => {
    const twin = signed({ ...at(3), created_at_ms: 1_780_000_003_001 })
    assert.deepEqual(judge([...chain.slice(0, 4), twin]), refused(4, 'chain-link-mismatch', 'chain-fork'))
  })
  it('when a line is torn, and the link after it is nobody’s fault', () => {
    const lines = texts(chain)
    const torn = lines.toSpliced(3, 1, lines[3]?.slice(0, 100) ?? '')
    const { reasons, firstBadIndex } = judgeChain(torn, ringOfAlice, nodeSuite)
    assert.deepEqual([reasons, firstBadIndex], [['not-json'], 3])
  })
  it('when outer links were rewritten around intact envelopes', () => {
    const enclosed = chainOf(6, record => enveloped(record)).toSpliced(2, 1)
    const relinked: JsonObject[] = []
    for (const record of enclosed) {
      const before = relinked.at(-1)
      relinked.push(before ? { ...record, prev_record_hash: chainHashOf(before) } : record)
    }
    assert.deepEqual(judge(relinked), refused(2, 'dsse-predicate-mismatch'))
  })
})

describe('an anchor', () => {
  it('tells of a missing tail, at the record that is not there', () => {
    assert.deepEqual(judge(chain.slice(0, 5)), accepted)
    assert.deepEqual(judge(chain.slice(0, 5), anchor), refused(5, 'chain-truncated'))
    assert.deepEqual(judge(chain.slice(0, 5), { headHash: hashAt(7) }), refused(5, 'chain-truncated'))
    assert.deepEqual(judge(chain.slice(0, 5), { count: 8 }), refused(5, 'chain-truncated'))
  })
  it('tells of a missing head', () => {
    assert.deepEqual(judge(chain.slice(2), anchor), refused(0, 'chain-head-missing'))
    assert.deepEqual(judge(chain.slice(2), { count: 8, headHash: hashAt(7) }), refused(0, 'chain-head-missing'))
    assert.deepEqual(findings(chain.slice(2)), ['chain-segment'])
    assert.deepEqual(findings(chain.slice(2), { count: 6, firstHash: hashAt(2), headHash: hashAt(7) }), [])
  })
  it('tells of a chain that its key holder wrote anew', () => {
    const anew = chainOf(7)
    assert.deepEqual(judge(anew), accepted)
    assert.deepEqual(
      judge(anew.toSpliced(6, 1, signed({ ...at(6), run_id: 'x' })), anchor),
      refused(7, 'chain-truncated'),
    )
    assert.deepEqual(
      judge(spliced(7, 1, signed({ ...at(7), run_id: 'x' })), anchor),
      refused(7, 'chain-head-hash-mismatch'),
    )
    const begun = chainOf(8, record => signed({ ...record, run_id: 'anew' }))
    assert.deepEqual(judge(begun, anchor), refused(0, 'chain-head-hash-mismatch'))
  })
})

describe('what has to be known of a chain', () => {
  it('is that it is none: a bag of records', () => {
    const bag = [1, 2, 3].map(n => signed(plainRecord({ run_id: `run-${n}` })))
    assert.deepEqual(findings(bag), ['chain-unlinked'])
    assert.deepEqual(judge([...bag, ...bag.slice(0, 1)]), refused(3, 'chain-duplicate'))
  })
  it('is that records repeat the actions of earlier ones', () => {
    const again = chainOf(3, record => signed({ ...record, actions: [plainAction()] }))
    assert.deepEqual(findings(again), ['actions-repeated'])
  })
  it('is that time runs backwards, which refuses nothing', () => {
    const back = chainOf(3, (record, i) => signed({ ...record, created_at_ms: i === 1 ? 1 : 1_780_000_000_000 }))
    assert.deepEqual(findings(back), ['time-regression'])
  })
  it('is whether links cover the timestamp proofs', () => {
    const proof = { timestamp: 't', authority: 'tsa.example', proof: 'MIIB' }
    const late = chain.map(record => ({ ...record, timestamp_proof: proof }))
    const outside = ['timestamp-proof-detached', 'timestamp-proof-outside-link']
    assert.deepEqual(findings(late, anchor), outside)
    assert.deepEqual(findings(late), outside)
    assert.deepEqual(findings(late.slice(0, 1), { count: 1, headHash: hashAt(0) }), outside)
    const linked = chainOf(4, record => ({ ...signed(record), timestamp_proof: proof }))
    assert.deepEqual(findings(linked), ['timestamp-proof-detached'])
    const inside = chainOf(2, record => signed({ ...record, timestamp_proof: proof }))
    const [first, second] = inside
    assert.ok(first && second)
    const { timestamp_proof: _, ...bare } = first
    const skipping = signed({ ...second, prev_record_hash: chainHashOf(bare) })
    assert.deepEqual(judge([first, skipping]), refused(1, 'chain-link-mismatch'))
  })
})

describe('the lines of a file', () => {
  const lines = (text: string) => [...linesOf(utf8(text))].map(line => new TextDecoder().decode(line))
  it('end at line feeds, and blank ones are none', () => {
    assert.deepEqual(lines('a\nb\n'), ['a', 'b'])
    assert.deepEqual(lines('a\r\n\r\n \t\nb'), ['a\r', 'b'])
    assert.deepEqual(lines(''), [])
    assert.deepEqual(lines('\n'), [])
    assert.deepEqual(lines('a\u2028b'), ['a\u2028b'])
  })
  it('spoil only themselves', () => {
    const bytes = Uint8Array.from([...utf8(JSON.stringify(at(0))), 0x0a, 0xff, 0x0a])
    const { reasons, firstBadIndex } = judgeChain(linesOf(bytes), ringOfAlice, nodeSuite)
    assert.deepEqual([reasons, firstBadIndex], [['invalid-utf8'], 1])
  })
})
