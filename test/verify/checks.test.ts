import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { AepEvent } from '../../src/aep/event/schema.ts'
import { emitterSigningInput } from '../../src/aep/event/signature.ts'
import type { Json } from '../../src/aep/json.ts'
import { base64, hex, utf8 } from '../../src/base/bytes.ts'
import type { Intake, LeafHash, Seq } from '../../src/ledger/entry.ts'
import {
  conflictSeen,
  emitterRegistered,
  keyRevoked,
  keyRotated,
  ledgerCreated,
  ownIntake,
} from '../../src/ledger/own-events.ts'
import { type FindingCode, findingKinds } from '../../src/verify/findings.ts'
import type { EntrySource, SourceEntry, Trust } from '../../src/verify/port.ts'
import type { VerifyOptions } from '../../src/verify/verify.ts'
import { keyAdded } from '../support/own-events.ts'
import {
  created,
  type Draft,
  decision,
  key,
  ledgerName,
  pinOf,
  sealed,
  sourceOf,
  suite,
  testKey,
  trust,
  unnumbered,
  verified,
} from './support.ts'

/** A ledger with one thing wrong, such that one check alone can tell. */
interface Case {
  readonly entries: readonly SourceEntry[]
  /** The place that is named; absent for a finding about the whole ledger. */
  readonly seq?: number
  readonly trust?: Trust
  readonly source?: Partial<EntrySource>
  readonly options?: Partial<VerifyOptions>
}

const origin = 'test.example/acme/prod'
const at = '2026-01-01T00:00:00.000Z'
const second = testKey(2)
const stranger = testKey(9)

const plain = sealed([created(), ...Array.from({ length: 5 }, (_, n) => decision(n + 1))])
const own = (event: Draft['event'], more: Partial<Draft> = {}): Draft => ({ event, intake: ownIntake, ...more })
/** A sound ledger but for its last entry. */
const last = (draft: Draft): { entries: SourceEntry[]; seq: number } => ({
  entries: sealed([created(), decision(1), decision(2), draft]),
  seq: 3,
})
const unsigned = (n: number) => plain.map((entry, m) => (n === m ? { ...entry, signature: new Uint8Array(64) } : entry))
const rotation = own(keyRotated({ origin, at, from: key.keyId, key: second }))
const noHash = 'ab'.repeat(32)
const record = utf8('{"a record":"of its own"}')
const besideLog = (digest: string, length: number): Draft => ({
  event: { ...event(3), type: 'aep.record', data: { record_digest: digest, record_length: length } },
  intake: { record_sig: 'absent' },
})
const event = (n: number): Record<string, Json> => decision(n).event as Record<string, Json>
const kept = besideLog(hex(suite.sha256(record)), record.length)
const numbered = (...sequences: number[]) => sequences.map((sequence, n) => decision(n, { sequence }))
const gap = (n: number, data: Record<string, Json>, more: Record<string, Json> = {}): Draft => ({
  event: { ...event(n), ...more, type: 'aep.gap', data },
})
const conflictOf = (id: string, firstSeq: number) =>
  own(conflictSeen({ origin, at, identity: { source: 'urn:gateway:one', id }, firstSeq, refusedSha256: noHash }))

function shortSignature(): SourceEntry[] {
  return plain.map((entry, n) => (n === 3 ? { ...entry, signature: entry.signature.subarray(1) } : entry))
}

const cases: Record<FindingCode, Case> = {
  'envelope-malformed': {
    entries: [
      ...unnumbered(plain),
      { bytes: utf8('{}'), signature: new Uint8Array(0), problem: 'it is no DSSE envelope' },
    ],
    seq: 6,
  },
  'entry-too-large': last(decision(3, { data: { decision: 'allow', args: 'x'.repeat(65_535) } })),
  'entry-malformed': last({ ...decision(3), edit: text => text.replace('{"event":', '{"admin":true,"event":') }),
  'entry-not-canonical': last({ ...decision(3), edit: text => text.replace('"id":', '"id": ') }),
  'event-malformed': last(decision(3, { data: { decision: 'perhaps' } })),
  'keys-missing': { entries: plain, trust: { keys: [] } },
  'signature-invalid': { entries: unsigned(2), seq: 2 },
  'key-unknown': last({ ...decision(3), key: stranger }),
  'key-not-valid': {
    entries: sealed([created(), rotation, { ...decision(2), key: second }, { ...decision(3), key }]),
    seq: 3,
  },
  'key-compromised': {
    entries: sealed([
      created(),
      decision(1),
      rotation,
      own(keyRevoked({ origin, at, keyId: key.keyId, compromisedSinceSeq: 1 }), { key: second }),
    ]),
    seq: 3,
  },
  'seq-gap': { entries: [...plain.slice(0, 2), ...plain.slice(3)], seq: 2 },
  'seq-repeated': { entries: unnumbered([...plain.slice(0, 3), ...plain.slice(2)]), seq: 3 },
  'seq-mismatch': last({ ...decision(3), frame: { seq: 7 as Seq } }),
  'ledger-mismatch': last({ ...decision(3), frame: { ledger: 'acme/test' } }),
  'chain-broken': last({ ...decision(3), frame: { prev: noHash as LeafHash } }),
  'recorded-at-backwards': last({ ...decision(3), frame: { recorded_at: '2026-01-01T00:00:00.001Z' } }),
  'genesis-wrong': { entries: sealed([decision(0), decision(1)]), seq: 0 },
  'head-missing': { entries: plain.slice(0, 4), trust: { ...trust, head: pinOf(plain[5]) }, seq: 4 },
  'head-mismatch': { entries: plain, trust: { ...trust, head: { seq: 3, leafHash: noHash } }, seq: 3 },
  'checkpoint-missing': {
    entries: plain,
    trust: { ...trust, checkpoint: { origin, size: 9, rootHash: new Uint8Array(32) } },
    seq: 6,
  },
  'checkpoint-mismatch': {
    entries: plain,
    trust: { ...trust, checkpoint: { origin, size: 4, rootHash: new Uint8Array(32) } },
    seq: 3,
  },
  'receipt-missing': { entries: plain.slice(0, 5), trust: { ...trust, receipts: [pinOf(plain[5])] }, seq: 5 },
  'receipt-mismatch': { entries: plain, trust: { ...trust, receipts: [{ seq: 2, leafHash: noHash }] }, seq: 2 },
  'record-missing': { ...last(kept), source: { record: () => Promise.resolve(undefined) } },
  'record-mismatch': { ...last(kept), source: { record: () => Promise.resolve(utf8('another')) } },
  'record-unchecked': last(kept),
  'source-head': { entries: plain.slice(0, 4), source: { head: pinOf(plain[5]) }, seq: 4 },
  'source-head-unreadable': {
    entries: plain,
    source: { headFault: { remark: { code: 'source-head-unreadable', cause: 'The head is none.' } } },
  },
  'gap-declared': { entries: sealed([created(), decision(1), gap(2, { count: 3 })]), seq: 2 },
  'sequence-hole': { entries: sealed([created(), ...numbered(1, 2, 5)]), seq: 3 },
  'sequences-unchecked': { entries: sealed([created(), ...numbered(1, 3, 2)]), options: { sequencesMax: 0 } },
  'key-entry-invalid': last(own(keyAdded({ origin, at, key: { keyId: key.keyId, publicHex: second.publicHex } }))),
  'created-again': last(own({ ...ledgerCreated({ origin, ledger: ledgerName, key, at }), id: 'again' })),
  'ledger-voice': last({ ...decision(3), intake: ownIntake }),
  'intake-inconsistent': last({ ...decision(3), intake: { emitter_sig: 'valid' } }),
  'identity-repeated': last(decision(2, { data: { decision: 'deny' } })),
  'identities-unchecked': { entries: plain, options: { identitiesMax: 3 } },
  'conflict-recorded': last(conflictOf('event-1', 1)),
  'conflict-invalid': last(conflictOf('event-1', 2)),
  'time-future': last(decision(3, { time: '2026-01-01T00:06:00Z' })),
  'time-old': last(decision(3, { time: '2025-12-30T23:00:00Z', source: 'urn:gateway:two' })),
  'time-order': last(decision(3, { time: '2026-01-01T00:00:00.001Z' })),
}

const emitter = testKey(5)
const registered = own(emitterRegistered({ origin, at, key: emitter, sources: [] }))
const signedBy = (signer: typeof emitter, n: number): Record<string, Json> => {
  const bare = { ...event(n), emitterkeyid: signer.keyId } as unknown as AepEvent
  return {
    ...event(n),
    emitterkeyid: signer.keyId,
    emittersig: base64(suite.sign(signer.seed, emitterSigningInput(bare))),
  }
}
/** An event that carries an emitter's signature, with what intake said of it, behind the emitter's registration. */
const attested = (event: Record<string, Json>, emitter_sig: Intake['emitter_sig']) => ({
  entries: sealed([created(), registered, decision(2), { event, intake: { emitter_sig } }]),
  seq: 3,
})
const forged = { ...signedBy(emitter, 3), subject: 'changed' }
const inRecord = (text: string, record_sig: Intake['record_sig']) =>
  last({ event: { ...event(3), type: 'aep.record', data: { record: text } }, intake: { record_sig } })

/** Other ways to the same findings, each by a check of its own. */
const variants: readonly (readonly [FindingCode, string, Case])[] = [
  ['signature-invalid', 'a signature of another length', { entries: shortSignature(), seq: 3 }],
  ['seq-gap', 'a first entry that is missing', { entries: plain.slice(1), seq: 0 }],
  ['seq-gap', 'entries that the source numbers on over a hole', { entries: unnumbered(plain).toSpliced(2, 2), seq: 2 }],
  ['seq-repeated', 'an entry that comes too late', { entries: unnumbered([...plain, ...plain.slice(1, 2)]), seq: 6 }],
  [
    'chain-broken',
    'a first entry that follows something',
    { entries: sealed([{ ...created(), frame: { prev: noHash as LeafHash } }]), seq: 0 },
  ],
  ['genesis-wrong', 'a ledger created under another name', { entries: sealed([created(key, 'acme/test')]), seq: 0 }],
  [
    'genesis-wrong',
    'a ledger created with another key than it is signed with',
    { entries: sealed([created(second)]), seq: 0 },
  ],
  [
    'key-entry-invalid',
    'a first key under an id that is not its digest',
    { entries: sealed([created({ ...key, publicHex: second.publicHex })]), seq: 0 },
  ],
  [
    'key-entry-invalid',
    'a rotation from a key that does not sign',
    last(own(keyRotated({ origin, at, from: second.keyId, key: second }))),
  ],
  [
    'key-entry-invalid',
    'a rotation to a key under another id',
    last(own(keyRotated({ origin, at, from: key.keyId, key: { ...second, keyId: stranger.keyId } }))),
  ],
  [
    'key-entry-invalid',
    'a revocation of a key that is none of the ledger',
    last(own(keyRevoked({ origin, at, keyId: second.keyId }))),
  ],
  [
    'key-not-valid',
    'a key after its revocation',
    { entries: sealed([created(), own(keyRevoked({ origin, at, keyId: key.keyId })), decision(2)]), seq: 2 },
  ],
  [
    'key-not-valid',
    'a key that was announced and does not sign yet',
    {
      entries: sealed([created(), own(keyAdded({ origin, at, key: second })), { ...decision(2), key: second }]),
      seq: 2,
    },
  ],
  ['ledger-voice', 'a token that writes in the ledger’s name', last({ ...conflictOf('event-1', 1), intake: {} })],
  ['intake-inconsistent', 'a valid signature called invalid', attested(signedBy(emitter, 3), 'invalid')],
  ['intake-inconsistent', 'an invalid signature called valid', attested(forged, 'valid')],
  ['intake-inconsistent', 'a signature under no registered key called valid', attested(signedBy(stranger, 3), 'valid')],
  ['intake-inconsistent', 'a signature called absent', attested(signedBy(emitter, 3), 'absent')],
  ['intake-inconsistent', 'a decision called a record', last({ ...decision(3), intake: { record_sig: 'absent' } })],
  ['intake-inconsistent', 'an unsigned record called signed', inRecord('{"schema_version":"aep/v0.1"}', 'valid')],
  [
    'intake-inconsistent',
    'an unsigned record beside the log called signed',
    { ...last({ ...kept, intake: { record_sig: 'valid' } }), source: { record: () => Promise.resolve(record) } },
  ],
  [
    'record-mismatch',
    'a record of another length than the entry says',
    { ...last(besideLog(hex(suite.sha256(record)), 1)), source: { record: () => Promise.resolve(record) } },
  ],
  [
    'head-missing',
    'a head pinned at a place that was dropped',
    { entries: plain.slice(0, 5), trust: { ...trust, head: { seq: 9, leafHash: noHash } }, seq: 5 },
  ],
  [
    'source-head',
    'a head of the source that is another entry',
    { entries: plain, source: { head: { seq: 4, leafHash: noHash } }, seq: 4 },
  ],
  [
    'source-head',
    'a head of the source that names another time',
    { entries: plain, source: { head: { ...pinOf(plain[5]), recordedAt: at } }, seq: 5 },
  ],
  [
    'source-head',
    'a head of the source that is no place',
    { entries: plain, source: { head: { seq: Number.NaN, leafHash: noHash } }, seq: 6 },
  ],
  [
    'source-head',
    'a head of the source before the first place',
    { entries: plain, source: { head: { seq: -1, leafHash: noHash } }, seq: 6 },
  ],
  ['conflict-invalid', 'a conflict with what comes later', last(conflictOf('event-1', 8))],
]

const run = ({ entries, trust: believed = trust, source = {}, options = {} }: Case) =>
  verified(sourceOf(entries, source, 2), believed, options)

describe('each check', () => {
  for (const [code, it_] of Object.entries(cases) as [FindingCode, Case][]) {
    it(`alone tells ${code}`, async () => {
      const { findings, report } = await run(it_)
      assert.deepEqual([...new Set(findings.map(found => found.code))], [code])
      assert.equal(findings[0]?.seq, it_.seq)
      const { axis, severity } = findingKinds[code]
      const status = { fail: 'FAIL', incomplete: 'INCOMPLETE', warn: undefined }[severity]
      if (status !== undefined) assert.equal(report.axes[axis].status, status)
      assert.equal(report.verdict, { fail: 'tampered', incomplete: 'incomplete', warn: 'verified' }[severity])
      assert.equal(report.firstBadSeq, severity === 'fail' ? it_.seq : undefined)
    })
  }

  for (const [code, what, it_] of variants) {
    it(`tells ${what}: ${code}`, async () => {
      const { fails, report } = await run(it_)
      assert.deepEqual(fails, [code])
      assert.equal(report.firstBadSeq, it_.seq)
      assert.equal(report.verdict, 'tampered')
    })
  }

  it('believes no key that an entry introduces whose own signature does not hold', async () => {
    const entries = sealed([created(), rotation, { ...decision(2), key: second }])
    const changed = entries.map((entry, n) => (n === 1 ? { ...entry, signature: new Uint8Array(64) } : entry))
    const { findings } = await verified(sourceOf(changed))
    assert.deepEqual(
      findings.map(({ seq, code }) => `${seq} ${code}`),
      ['1 signature-invalid', '2 key-unknown'],
    )
  })

  it('believes no key that a token introduces', async () => {
    const { fails } = await run({
      entries: sealed([created(), { ...rotation, intake: {} }, { ...decision(2), key: second }]),
    })
    assert.deepEqual(fails, ['ledger-voice', 'key-unknown'])
  })

  it('finds nothing where nothing is wrong', async () => {
    const sound: readonly Case[] = [
      { entries: plain },
      { entries: sealed([created(), rotation, { ...decision(2), key: second }]) },
      { ...last(kept), source: { record: () => Promise.resolve(record) } },
      { entries: sealed([created(), ...numbered(3, 5, 4, 6)]) },
      attested(signedBy(emitter, 3), 'valid'),
      attested(forged, 'invalid'),
      attested(signedBy(stranger, 3), 'key_unknown'),
      // registered between intake and its place
      attested(signedBy(emitter, 3), 'key_unknown'),
      inRecord('{"schema_version":"aep/v0.1"}', 'absent'),
      { entries: plain, trust: { ...trust, head: pinOf(plain[5]), receipts: plain.map(pinOf) } },
      { entries: plain, source: { head: pinOf(plain[5]) } },
      { entries: plain, source: { head: pinOf(plain[3]) } },
    ]
    for (const it_ of sound) {
      const { findings, report } = await run(it_)
      assert.deepEqual(findings, [])
      assert.equal(report.verdict, 'verified')
    }
  })
})
