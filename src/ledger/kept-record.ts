import { concat, hex, utf8 } from '../base/bytes.ts'
import type { Suite } from '../crypto/suite.ts'
import { decodeEntry } from './decode.ts'
import { isEventOf } from './frame-place.ts'

/** Records too large for an entry, which are kept beside the log. */

/**
 * The mark that says that the record with this digest was sent to `ledger`. It lies in the same store as records, under
 * SHA-256(0xff || "LEDGER DIGEST"), its value that text. No record has such a digest: a record is UTF-8, where there is no
 * byte 0xff.
 */
export function recordMark(suite: Suite, ledger: string, digest: string): { key: string; value: Uint8Array } {
  const value = utf8(`${ledger} ${digest}`)
  return { key: hex(suite.sha256(concat(Uint8Array.of(0xff), value))), value }
}

const recordType = [utf8('aep.record"')]

/** The digest of the record that an entry names; `undefined` where it names none, or is no entry. Cost: next to nothing for other types. */
export function namedRecord(bytes: Uint8Array): string | undefined {
  if (!isEventOf(bytes, recordType)) return undefined
  const decoding = decodeEntry(bytes)
  if (!decoding.ok || decoding.entry.event.type !== 'aep.record') return undefined
  const { data } = decoding.entry.event
  return 'record_digest' in data ? data.record_digest : undefined
}
