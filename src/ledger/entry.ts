import type { Brand } from '../base/brand.ts'
import { utf8 } from '../base/bytes.ts'
import type { Suite } from '../crypto/suite.ts'

/** Place of an entry in its ledger: 0, 1, 2 … without a gap. */
export type Seq = Brand<number, 'Seq'>
/** RFC 6962 section 2.1 leaf hash of an entry: SHA-256(0x00 || entry bytes), as 64 lower-case hex digits. */
export type LeafHash = Brand<string, 'LeafHash'>

/** The version that every entry names; another one is not ours to judge. */
export const entryVersion = 'aep-ledger/v1'
/** An entry's bytes at most, so that its length fits the two bytes of a C2SP tlog-tiles entry bundle. */
export const entryBytesMax = 65_535
/** `prev` of the entry at seq 0. */
export const zeroHash = '0'.repeat(64) as LeafHash

/** What was found about an event's `emittersig`, once, at intake. */
export const emitterSigVerdicts = ['absent', 'valid', 'invalid', 'key_unknown'] as const
/** What was found about the signature of the record inside an `aep.record`; every other type is `not_a_record`. */
export const recordSigVerdicts = ['not_a_record', 'absent', 'valid', 'invalid', 'key_unknown'] as const

/** What the ledger itself established when it took the event in, and nothing that the emitter could have said. */
export interface Intake {
  /** Id of the token that sent it; `ledger` for the ledger's own entries. */
  readonly by: string
  readonly emitter_sig: (typeof emitterSigVerdicts)[number]
  readonly record_sig: (typeof recordSigVerdicts)[number]
}

/** What one entry says besides its event: the members that the ledger adds. */
export interface EntryFrame {
  readonly ledger: string
  readonly seq: Seq
  readonly prev: LeafHash
  /** RFC 3339 UTC with milliseconds; never earlier than the entry before. */
  readonly recorded_at: string
  readonly key_id: string
  readonly intake: Intake
}

/** An entry as stores keep it: nobody re-serialises it to verify it. */
export interface StoredEntry {
  readonly seq: Seq
  readonly bytes: Uint8Array
  /** Ed25519, 64 bytes, over the DSSE encoding of the bytes: `signingInput`. */
  readonly signature: Uint8Array
}

/** The newest place of a ledger, all that `seal` has to know of the past. */
export interface Head {
  readonly seq: Seq
  readonly leafHash: LeafHash
  readonly recordedAt: string
}

/**
 * The bytes of an entry: its RFC 8785 form, put together around `eventCanonical`, which must be the RFC 8785 text of the
 * event already. Member names are all ASCII and stand here in their sorted order, and `JSON.stringify` writes strings as
 * RFC 8785 section 3.2.2.2 does (no lone surrogate gets this far), so nothing is parsed or sorted again per entry.
 */
export function encodeEntry(frame: EntryFrame, eventCanonical: string): Uint8Array {
  const { ledger, seq, prev, recorded_at, key_id, intake } = frame
  return utf8(
    `{"event":${eventCanonical},"intake":{"by":${JSON.stringify(intake.by)},"emitter_sig":"${intake.emitter_sig}",` +
      `"record_sig":"${intake.record_sig}"},"key_id":${JSON.stringify(key_id)},"ledger":${JSON.stringify(ledger)},` +
      `"prev":"${prev}","recorded_at":"${recorded_at}","seq":${seq},"v":"${entryVersion}"}`,
  )
}

const leafPrefix = Uint8Array.of(0x00)

/** The leaf hash of an entry's bytes. Cost: one SHA-256. */
export const leafHashOf = (suite: Suite, bytes: Uint8Array): LeafHash => suite.sha256Hex(leafPrefix, bytes) as LeafHash
