import { canonicalText } from '../../src/aep/canonical.ts'
import { checkEvent } from '../../src/aep/event/accept.ts'
import type { AepEvent } from '../../src/aep/event/schema.ts'
import type { Json, JsonObject } from '../../src/aep/json.ts'
import type { Entry } from '../../src/ledger/decode.ts'
import { readEntry } from '../../src/ledger/decode.ts'
import { encodeEntry, type Seq, zeroHash } from '../../src/ledger/entry.ts'
import { type Lease, LeaseBook, type LeaseFamily, leaseFacts } from '../../src/projections/leases.ts'
import { itemsOf } from '../../src/projections/pages.ts'

/** Entries as tests tell them: an event at a minute of the day, in order, from seq 1 on. */

export const alice = 'a'.repeat(16)
export const bob = 'b'.repeat(16)

/** The `n`th minute of the first day of 2026, in ms and as text. */
export const minuteMs = (n: number): number => Date.parse('2026-01-01T00:00:00Z') + Math.round(n * 60_000)
export const minute = (n: number): string => new Date(minuteMs(n)).toISOString()

/** When all of it was recorded: long after it happened, as when a spool is sent. */
export const recordedAt = '2026-06-01T00:00:00.000Z'

export interface Told {
  readonly at?: number
  readonly type: string
  readonly data: JsonObject
  readonly source?: string
  readonly id?: string
}

export const granted = (at: number, data: JsonObject = {}): Told => ({
  at,
  type: 'aep.lease.granted',
  data: {
    lease_id: 'l-1',
    principal_hash: alice,
    server_id: 'srv-1',
    granted_tools: ['write'],
    expires_at: minute(60),
    ...data,
  },
})
export const used = (at: number, decision?: string, data: JsonObject = {}): Told => ({
  at,
  type: 'aep.lease.used',
  data: { lease_id: 'l-1', ...(decision === undefined ? {} : { decision_event_id: decision }), ...data },
})
export const revoked = (at: number, data: JsonObject = {}): Told => ({
  at,
  type: 'aep.lease.revoked',
  data: { lease_id: 'l-1', ...data },
})
export const decided = (at: number, id: string, data: JsonObject = {}): Told => ({
  at,
  type: 'aep.decision',
  data: { decision: 'allow', decision_id: id, lease_id: 'l-1', ...data },
})

export function entryOf(told: Told, seq: number): Entry {
  const { at, type, data, source = 'urn:g', id = `e-${seq}` } = told
  const time = at === undefined ? {} : { time: minute(at) }
  const event: JsonObject = { specversion: '1.0', id, source, ...time, type, data }
  const checked = checkEvent(event)
  if (!checked.ok) throw new Error(JSON.stringify(checked.errors))
  return readEntry(bytesOf(checked.event, seq))
}

export const bytesOf = (event: AepEvent, seq: number): Uint8Array =>
  encodeEntry(
    {
      ledger: 'acme/prod',
      seq: seq as Seq,
      prev: zeroHash,
      recorded_at: recordedAt,
      key_id: '0'.repeat(32),
      intake: { by: 'gateway', emitter_sig: 'absent', record_sig: 'not_a_record' },
    },
    canonicalText(event as Json),
  )

/** All leases that the entries tell of. */
export function fold(entries: Iterable<Entry>, book = new LeaseBook()): LeaseBook {
  for (const entry of entries) for (const fact of leaseFacts(entry)) book.take(fact)
  return book
}

export const told = (...events: readonly Told[]): Entry[] => events.map((event, n) => entryOf(event, n + 1))

/** What is known of a lease id, with its leases by the seq of their grants. */
export interface KnownFamily extends LeaseFamily {
  readonly leases: readonly Lease[]
}

export function familyIn(book: LeaseBook, lease: string): KnownFamily | undefined {
  const family = book.family(lease)
  if (family === undefined) return undefined
  return { ...family, leases: [...itemsOf(family.grants)].flatMap(seq => book.lease(seq) ?? []) }
}

/** The family of a lease id after the events, which are entries 1, 2, 3 … */
export function familyAfter(events: readonly Told[], lease = 'l-1'): KnownFamily {
  const family = familyIn(fold(told(...events)), lease)
  if (family === undefined) throw new Error(`nothing was said of ${lease}`)
  return family
}
