import { canonicalText } from '../../src/aep/canonical.ts'
import type { Json } from '../../src/aep/json.ts'
import { nodeSuite } from '../../src/crypto/node.ts'
import { type LeafHash, leafHashOf, type StoredEntry } from '../../src/ledger/entry.ts'
import { emptyHead, type Placeable, seal } from '../../src/ledger/seal.ts'

/** Entries for tests of the rows: sealed as the sequencer does, with bytes in the place of signatures. */

export const hashLeaf = (bytes: Uint8Array): LeafHash => leafHashOf(nodeSuite, bytes)

export interface Event {
  readonly type: string
  readonly data: Json
  readonly id?: string
  readonly source?: string
  readonly time?: string
  /** When it was taken in. */
  readonly takenAt?: string
}

export const intake = { by: 'test', emitter_sig: 'absent', record_sig: 'not_a_record' } as const

export function entriesOf(ledger: string, events: readonly Event[], head = emptyHead): StoredEntry[] {
  const [first, ...rest] = events.map((event, index) => placeable(event, head.seq + 1 + index))
  if (first === undefined) return []
  const sealed = seal(nodeSuite, head, { ledger, keyId: 'ab'.repeat(16) }, [first, ...rest])
  return sealed.entries.map(({ seq, bytes }) => ({ seq, bytes, signature: new Uint8Array(64).fill(seq % 251) }))
}

function placeable(event: Event, seq: number): Placeable {
  const { type, data, id = `event-${seq}`, source = 'urn:test', time, takenAt = '2026-03-01T00:00:00.000Z' } = event
  const canonical = canonicalText({ specversion: '1.0', id, source, type, ...(time ? { time } : {}), data })
  return { canonical, intake, takenAt }
}

/** A moment of 2026-03-01, `second` seconds in. */
export const moment = (second: number): string => new Date(Date.UTC(2026, 2, 1) + 1000 * second).toISOString()
