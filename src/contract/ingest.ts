import { z } from 'zod'
import { encodeEntry, type Seq, zeroHash } from '../ledger/entry.ts'
import { keyId, leafHash, recordedAt, seq, signature } from './names.ts'

/** `POST …/events`: media types and receipts. */

export const eventTypeOne = 'application/cloudevents+json'
export const eventTypeBatch = 'application/cloudevents-batch+json'
export const ndjsonType = 'application/x-ndjson'
export const jsonType = 'application/json'

const identity = { id: z.string(), source: z.string() }

export const receipt = z
  .strictObject({
    ...identity,
    status: z
      .enum(['created', 'duplicate'])
      .describe(
        '`created`: placed now. `duplicate`: it was there, with the same content, and this is its first receipt.',
      ),
    seq,
    leaf_hash: leafHash,
    recorded_at: recordedAt,
    key_id: keyId,
    signature,
  })
  .meta({ id: 'Receipt', description: 'The place of an event in the ledger, signed.' })

export const conflict = z.strictObject({ ...identity, status: z.literal('conflict'), seq, leaf_hash: leafHash }).meta({
  id: 'Conflict',
  description: 'Another event has this source and id: the entry at `seq`. Nothing was placed.',
})

export const receipts = z
  .strictObject({ items: z.array(z.discriminatedUnion('status', [receipt, conflict])) })
  .meta({ id: 'Receipts', description: 'One answer an event, in the order sent.' })

/** RFC 7240: whether `Prefer` asks for an answer before the events have their places. */
export const prefersAsync = (prefer: string): boolean =>
  prefer.split(',').some(preference => /^\s*respond-async\s*(?:;.*)?$/i.test(preference))

/**
 * Bytes that the RFC 8785 form of an event may have so that its entry has `entryBytesMax` at most, whichever ledger, token
 * and place it gets: the same bound for all, so that an event sent again by another way is judged alike.
 */
export const eventBytesMaxOf = (entryBytesMax: number): number => entryBytesMax - largestFrame.length

const largestFrame = encodeEntry(
  {
    ledger: 'x'.repeat(128),
    seq: Number.MAX_SAFE_INTEGER as Seq,
    prev: zeroHash,
    recorded_at: '2026-01-01T00:00:00.000Z',
    key_id: 'x'.repeat(32),
    intake: { by: 'x'.repeat(32), emitter_sig: 'key_unknown', record_sig: 'not_a_record' },
  },
  '',
)
