import type { Placement } from '../../log/intake.ts'
import type { EventIdentity } from '../../log/port.ts'

/**
 * The JSON of `receipts` (contract/ingest.ts), put together as text: hashes, times and base64 need no escaping, and the
 * answer to a batch of a thousand is no time to build a thousand objects.
 */
export function receiptsText(events: readonly EventIdentity[], placements: readonly Placement[]): string {
  let items = ''
  for (const [n, placement] of placements.entries()) {
    const event = events[n]
    if (event === undefined) throw new Error('the intake answered for more events than it was given')
    if (n > 0) items += ','
    items += `{"id":${JSON.stringify(event.id)},"source":${JSON.stringify(event.source)},${placementText(placement)}}`
  }
  return `{"items":[${items}]}`
}

function placementText(placement: Placement): string {
  const place = `"status":"${placement.status}","seq":${placement.seq},"leaf_hash":"${placement.leafHash}"`
  if (placement.status === 'conflict') return place
  const { recordedAt, keyId, signature } = placement
  return `${place},"recorded_at":"${recordedAt}","key_id":${JSON.stringify(keyId)},"signature":"${base64Of(signature)}"`
}

/** base64 of bytes without copying them. */
export const base64Of = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
