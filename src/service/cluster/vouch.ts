import { fromHex, textOf } from '../../base/bytes.ts'
import type { Suite } from '../../crypto/suite.ts'
import { frameAt } from '../../ledger/decode.ts'
import { leafHashOf } from '../../ledger/entry.ts'
import { frameIndex } from '../../ledger/frame-place.ts'
import { signingInput } from '../../ledger/signature.ts'
import type { PlacedBatch } from '../../log/kafka/records.ts'
import { type KeyHistory, keyAt } from '../../projections/keys.ts'
import { evolveRegistered, nothingRegistered } from '../registry-rows.ts'

/**
 * Why a batch that another process wrote must not be believed, if so: it does not follow the entry before, link by link, or
 * its last entry is not signed by the key that signs the ledger there. That one signature covers the rest through the chain.
 * Cost: a hash an entry and one verification a batch.
 */
export function doubtOf(suite: Suite, history: KeyHistory, batch: PlacedBatch): string | undefined {
  const { ledger, entries, after, head } = batch
  let expected = after.leafHash
  let recordedAt = ''
  for (const { seq, bytes } of entries) {
    const text = textOf(bytes) ?? ''
    const frame = frameAt(text, frameIndex(text))
    if (frame === undefined || frame.ledger !== ledger || frame.seq !== seq) return `seq ${seq} holds another entry`
    if (frame.prev !== expected) return `seq ${seq} does not follow the entry before`
    expected = leafHashOf(suite, bytes)
    recordedAt = frame.recorded_at
  }
  const last = entries.at(-1)
  if (last === undefined || head.leafHash !== expected || head.recordedAt !== recordedAt)
    return 'its head is not its end'
  const keys = after.seq < 0 ? evolveRegistered(nothingRegistered, entries).keys : history
  const key = fromHex(keyAt(keys, last.seq)?.publicHex ?? '')
  const isSigned = key !== undefined && suite.verify(key, signingInput(last.bytes), last.signature)
  return isSigned ? undefined : `seq ${last.seq} is not signed by the key that signs ${ledger} there`
}
