import { z } from 'zod'
import { emitterSigVerdicts, entryVersion, recordSigVerdicts } from '../ledger/entry.ts'
import { keyId, leafHash, ledgerName, recordedAt, seq, signature } from './names.ts'
import { asOf, complete } from './paging.ts'

/** `GET …/entries`: the log, read in order. */

export const dsseLinesType = 'application/x-ndjson'
export const eventStreamType = 'text/event-stream'
export const entriesLimit = 100
const entriesLimitMax = 1000

export const entry = z
  .strictObject({
    v: z.literal(entryVersion),
    ledger: ledgerName,
    seq,
    prev: leafHash,
    recorded_at: recordedAt,
    key_id: keyId,
    intake: z.strictObject({
      by: z.string().describe('Id of the token that sent it; `ledger` for the ledger’s own entries.'),
      emitter_sig: z.enum(emitterSigVerdicts),
      record_sig: z.enum(recordSigVerdicts),
    }),
    event: z.looseObject({ id: z.string(), source: z.string(), type: z.string() }).describe('The event as it came.'),
  })
  .meta({ id: 'Entry', description: 'An event with its place. Its RFC 8785 form is what is hashed and signed.' })

export const entryItem = z
  .strictObject({ seq, leaf_hash: leafHash, recorded_at: recordedAt, key_id: keyId, signature, entry })
  .meta({ id: 'SignedEntry', description: 'An entry, its leaf hash and its signature.' })

export const entriesQuery = z.strictObject({
  from: z
    .int()
    .min(0)
    .optional()
    .describe(
      'First seq wanted; without it, a page and an export begin at 0, and a stream with what comes from now on.',
    ),
  to: z.int().min(0).optional().describe('First seq not wanted any more; without it, the end of the ledger.'),
  limit: z.int().min(1).max(entriesLimitMax).optional().describe(`Of a page: 1 to ${entriesLimitMax}, else 100.`),
})

export const entriesPage = z
  .strictObject({
    items: z.array(entryItem),
    next: z.int().min(0).nullable().describe('`from` of the next page; null at the end.'),
    as_of: asOf,
    complete,
  })
  .meta({ id: 'EntriesPage' })

export const envelope = z
  .strictObject({
    payloadType: z.literal('application/vnd.aep-ledger.entry+json'),
    payload: z.string().describe('base64 of the entry bytes.'),
    signatures: z.array(z.strictObject({ keyid: z.string(), sig: z.string() })),
  })
  .meta({
    id: 'Envelope',
    description: 'An entry as a DSSE envelope: one a line of an export, one an event of a stream.',
  })
