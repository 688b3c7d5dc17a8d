import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { judgeBundle } from '../../src/aep/bundle.ts'
import { referenceCanonicalText } from '../../src/aep/canonical.ts'
import type { Anchor } from '../../src/aep/chain.ts'
import type { Json, JsonObject } from '../../src/aep/json.ts'
import { hex, utf8 } from '../../src/base/bytes.ts'
import { nodeSuite } from '../../src/crypto/node.ts'
import { chainHashOf, chainOf, change, plainRecord, ringOfAlice, signed } from '../support/aep.ts'

const digestOf = (value: JsonObject) => hex(nodeSuite.sha256(utf8(referenceCanonicalText(value))))

/** A bundle as the reference builds it, with the manifest's members as given in place of the right ones. */
function bundleOf(records: readonly JsonObject[], changes: JsonObject = {}): JsonObject {
  const times = records.map(record => Number(record['created_at_ms']))
  const manifest: JsonObject = {
    schema_version: 'aep-bundle/v0.1',
    producer: '@wasmagent/aep',
    created_at: '2026-09-01T10:00:00.000Z',
    record_count: records.length,
    run_ids: [...new Set(records.map(record => String(record['run_id'])))],
    started_at_ms: records.length === 0 ? 0 : Math.min(...times),
    ended_at_ms: records.length === 0 ? 0 : Math.max(...times),
    records: records.map((record, index) => ({ index, digest: chainHashOf(record), run_id: record['run_id'] ?? null })),
    ...changes,
  }
  return { schema_version: 'aep-bundle/v0.1', manifest: { ...manifest, bundle_digest: digestOf(manifest) }, records }
}

function judge(bundle: Json, anchor: Anchor = {}) {
  const { reasons, findings, firstBadIndex } = judgeBundle(JSON.stringify(bundle), ringOfAlice, nodeSuite, { anchor })
  return { reasons: [...reasons], findings: [...findings], at: firstBadIndex }
}
const reasons = (bundle: Json, anchor: Anchor = {}) => judge(bundle, anchor).reasons
const chain = chainOf(4)
const bundle = bundleOf(chain)

describe('a bundle', () => {
  it('is accepted with no record, with one, and with several', () => {
    assert.deepEqual(judge(bundleOf([])), { reasons: [], findings: ['empty'], at: undefined })
    assert.deepEqual(judge(bundleOf(chain.slice(0, 1))), { reasons: [], findings: [], at: undefined })
    assert.deepEqual(judge(bundle, { count: 4 }), { reasons: [], findings: [], at: undefined })
  })
  it('may hold records of several runs, and an earlier one after a later', () => {
    const records = chainOf(3, (record, i) => signed({ ...record, run_id: `run-${i}`, created_at_ms: 100 - i }))
    assert.deepEqual(judge(bundleOf(records)), { reasons: [], findings: ['time-regression'], at: undefined })
  })
  it('names a member that nothing covers', () =>
    assert.deepEqual(judge({ ...bundle, note: 1 }), { reasons: [], findings: ['unsigned-member'], at: undefined }))
})

describe('a bundle is refused', () => {
  it('when a record was changed, or a member added that nobody signed', () => {
    for (const member of ['user_id', 'x_note']) {
      assert.deepEqual(judge(change(bundle, ['records', 2, member], 'x')), {
        reasons: ['signature-mismatch', 'chain-link-mismatch', 'bundle-record-digest'],
        findings: [],
        at: 2,
      })
    }
  })
  it('when its manifest was changed', () => {
    const changed = (path: (string | number)[], to: Json) => reasons(change(bundle, ['manifest', ...path], to))
    assert.deepEqual(changed(['producer'], 'x'), ['bundle-digest'])
    assert.deepEqual(changed(['record_count'], 3), ['bundle-count', 'bundle-digest'])
    assert.deepEqual(changed(['records', 1, 'digest'], '0'.repeat(64)), ['bundle-digest', 'bundle-record-digest'])
    assert.deepEqual(changed(['bundle_digest'], '0'.repeat(64)), ['bundle-digest'])
    assert.deepEqual(changed(['x'], 1), ['bundle-digest'])
    assert.deepEqual(changed(['run_ids'], ['other']), ['bundle-digest', 'bundle-manifest-mismatch'])
  })
  it('when its manifest was rebuilt and says another thing than its records', () => {
    const rebuilt = (changes: JsonObject) => reasons(bundleOf(chain, changes))
    assert.deepEqual(rebuilt({ record_count: 5 }), ['bundle-count'])
    assert.deepEqual(rebuilt({ run_ids: ['run-1', 'run-1'] }), ['bundle-manifest-mismatch'])
    assert.deepEqual(rebuilt({ run_ids: [] }), ['bundle-manifest-mismatch'])
    assert.deepEqual(rebuilt({ started_at_ms: 0 }), ['bundle-manifest-mismatch'])
    assert.deepEqual(rebuilt({ ended_at_ms: 0 }), ['bundle-manifest-mismatch'])
    assert.deepEqual(rebuilt({ records: [] }), ['bundle-manifest-mismatch'])
    const entries = (bundle['manifest'] as JsonObject)['records'] as Json[]
    assert.deepEqual(rebuilt({ records: change(entries, [1, 'index'], 7) }), ['bundle-manifest-mismatch'])
    assert.deepEqual(rebuilt({ records: change(entries, [1, 'run_id'], 'x') }), ['bundle-manifest-mismatch'])
    assert.deepEqual(rebuilt({ schema_version: 'aep-bundle/v0.2' }), ['schema'])
  })
  it('when records are missing, as far as links or an anchor tell', () => {
    assert.deepEqual(reasons(bundleOf(chain.toSpliced(1, 1))), ['chain-link-mismatch'])
    const short = bundleOf(chain.slice(0, 2))
    assert.deepEqual(reasons(short), [])
    assert.deepEqual(judge(short, { count: 4, headHash: chainHashOf(chain[3] ?? {}) }).reasons, ['chain-truncated'])
  })
  it('when a record in it is unsound, or no record', () => {
    assert.deepEqual(reasons(bundleOf([plainRecord()])), ['unsigned', 'signature-missing'])
    assert.deepEqual(reasons(change(bundleOf(chain.slice(0, 1)), ['records', 0], 1)), [
      'not-object',
      'bundle-record-digest',
      'bundle-manifest-mismatch',
    ])
  })
  it('when it is none', () => {
    const ofText = (text: string) => [...judgeBundle(text, ringOfAlice, nodeSuite).reasons]
    assert.deepEqual(ofText(''), ['not-json'])
    assert.deepEqual(ofText('[]'), ['not-object'])
    assert.deepEqual(ofText('{}'), ['schema'])
  })
})
