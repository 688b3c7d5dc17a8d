import { emitterSigVerdicts, entryVersion, type Intake, type LeafHash, recordSigVerdicts } from '../ledger/entry.ts'

/** The members that the ledger adds to an event, read off the end of an entry's bytes. */
export interface Frame {
  readonly ledger: string
  readonly seq: number
  readonly prev: LeafHash
  readonly recordedAt: string
  readonly keyId: string
  readonly by: string
  readonly emitterSig: Intake['emitter_sig']
  readonly recordSig: Intake['record_sig']
}

// RFC 8785 sorts the members, so that everything but the event stands behind it, in this order. No member of the tail can
// hold a quote, and so what matches at the end of the bytes is at the top level of the JSON, if it is JSON at all.
const tail = new RegExp(
  String.raw`,"intake":\{"by":"([a-z0-9_-]{1,32})","emitter_sig":"(${emitterSigVerdicts.join('|')})",` +
    String.raw`"record_sig":"(${recordSigVerdicts.join('|')})"\},"key_id":"([0-9a-f]{32})",` +
    `"ledger":"([a-z0-9._/-]{1,128})","prev":"([0-9a-f]{64})",` +
    String.raw`"recorded_at":"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)","seq":(0|[1-9]\d{0,15}),"v":"${entryVersion}"\}`,
  'y',
)
const tailBytesMax = 640
const tailStart = ',"intake":{"by":"'
const decoder = new TextDecoder()

/**
 * The frame of an entry, or `undefined` when the bytes do not end as an entry's do. It reads the tail only, in about a
 * microsecond: enough to link a chain, and trusted for nothing else until the whole entry was judged (`judge.ts`).
 */
export function readFrame(bytes: Uint8Array): Frame | undefined {
  const text = decoder.decode(bytes.subarray(Math.max(0, bytes.length - tailBytesMax)))
  const at = text.lastIndexOf(tailStart)
  if (at < 0) return undefined
  tail.lastIndex = at
  const match = tail.exec(text)
  if (match === null || tail.lastIndex !== text.length) return undefined
  const [, by = '', emitterSig, recordSig, keyId = '', ledger = '', prev, recordedAt = '', seq] = match
  return {
    ledger,
    seq: Number(seq),
    prev: prev as LeafHash,
    recordedAt,
    keyId,
    by,
    emitterSig: emitterSig as Intake['emitter_sig'],
    recordSig: recordSig as Intake['record_sig'],
  }
}
