import { hash } from 'node:crypto'
import type { Seq } from '../../ledger/entry.ts'
import type { EventIdentity } from '../port.ts'

/**
 * Keys of the log's stores. LMDB sorts them as bytes, so every number in a key is big-endian.
 *
 * ```text
 * entry     ledger u32 · seq u48
 * identity  ledger u32 · 0x00 · length of source u16 · source · id        (UTF-8)
 *           ledger u32 · 0x01 · SHA-256 of the JSON text [source, id]     (long or ill-formed ones)
 * ```
 */
export interface EntryKey {
  readonly ledger: number
  readonly seq: number
}

const seqEnd = 2 ** 48

/** How lmdb writes and reads entry keys: without a buffer for each. */
export const entryKeys = {
  writeKey({ ledger, seq }: EntryKey, target: Uint8Array, start: number): number {
    writeU32(target, start, ledger)
    const high = Math.floor(seq / 0x1_0000_0000)
    target[start + 4] = high >>> 8
    target[start + 5] = high
    writeU32(target, start + 6, seq % 0x1_0000_0000)
    return start + 10
  },
  readKey(source: Uint8Array, start: number): EntryKey {
    return {
      ledger: readU32(source, start),
      seq: at(source, start + 4) * 2 ** 40 + at(source, start + 5) * 2 ** 32 + readU32(source, start + 6),
    }
  },
}

/** The key right after the last that a ledger can have. */
export const endOf = (ledger: number): EntryKey => ({ ledger, seq: seqEnd - 1 })

/** The key to read from: a seq before the first is the first, and from one that no key can hold on there is nothing. */
export const fromOf = (ledger: number, seq: number): EntryKey => ({
  ledger,
  seq: Math.min(Math.max(0, seq), seqEnd - 1),
})

/** UTF-16 units of source and id together, up to which their key is their text: at most 775 bytes, under LMDB's 1,978. */
const plainUnitsMax = 256

/**
 * The key of an event's identity in a ledger. Short ones stand in it as they are, so that the ids of one source that rise
 * with time (UUIDv7) fall on the same few pages; others by a hash that stands for them whole. The JSON text escapes lone
 * surrogates, so no two identities share a key. Cost: one buffer, and one SHA-256 for a long one.
 */
export function identityKey(ledger: number, { source, id }: EventIdentity): Uint8Array {
  const units = source.length + id.length
  if (units > plainUnitsMax || !source.isWellFormed() || !id.isWellFormed()) {
    const key = Buffer.alloc(37)
    key.writeUInt32BE(ledger, 0)
    key[4] = 1
    key.set(hash('sha256', JSON.stringify([source, id]), 'buffer'), 5)
    return key
  }
  const key = Buffer.allocUnsafe(7 + 3 * units)
  key.writeUInt32BE(ledger, 0)
  key[4] = 0
  const sourceBytes = key.write(source, 7)
  key.writeUInt16BE(sourceBytes, 5)
  return key.subarray(0, 7 + sourceBytes + key.write(id, 7 + sourceBytes))
}

/** A seq as the identity store's value: u48. */
export function seqValue(seq: number): Uint8Array {
  const value = Buffer.allocUnsafe(6)
  value.writeUIntBE(seq, 0, 6)
  return value
}

export const seqOf = (value: Uint8Array): Seq =>
  (at(value, 0) * 2 ** 40 + at(value, 1) * 2 ** 32 + readU32(value, 2)) as Seq

const at = (bytes: Uint8Array, index: number): number => bytes[index] ?? 0

const readU32 = (bytes: Uint8Array, start: number): number =>
  at(bytes, start) * 2 ** 24 + ((at(bytes, start + 1) << 16) | (at(bytes, start + 2) << 8) | at(bytes, start + 3))

function writeU32(target: Uint8Array, start: number, value: number): void {
  target[start] = value >>> 24
  target[start + 1] = value >>> 16
  target[start + 2] = value >>> 8
  target[start + 3] = value
}
