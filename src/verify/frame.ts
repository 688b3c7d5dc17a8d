import { frameAt } from '../ledger/decode.ts'
import type { EntryFrame } from '../ledger/entry.ts'
import { frameIndex } from '../ledger/frame-place.ts'

/** More bytes than any frame has. */
const frameBytesMax = 640
const decoder = new TextDecoder()

/**
 * The frame of an entry, or `undefined` when the bytes do not end as an entry's do. It reads the end only, in about a
 * microsecond: enough to link a chain, and trusted for nothing else until the whole entry was judged (`judge.ts`).
 */
export function readFrame(bytes: Uint8Array): EntryFrame | undefined {
  const text = decoder.decode(bytes.subarray(Math.max(0, bytes.length - frameBytesMax)))
  const at = frameIndex(text)
  return at < 0 ? undefined : frameAt(text, at)
}
