import { isDateTime } from '../../aep/time.ts'
import { decodeEntry } from '../../ledger/decode.ts'
import type { LeafHash, Seq, StoredEntry } from '../../ledger/entry.ts'
import { signatureBytes } from '../check-batch.ts'
import { LogUnreadable } from '../port.ts'
import { type EntryKey, endOf, entryKeys } from './keys.ts'
import { openRoot, type Root, type Store } from './lmdb.ts'

/** The log's stores in their LMDB environment. */
export interface Environment {
  readonly root: Root
  /** Name of a ledger -> `HeadRecord`, at version seq + 1: what an append is conditional on. */
  readonly heads: Store<Uint8Array>
  /** `EntryKey` -> signature (64 bytes), then the entry's bytes. */
  readonly entries: Store<EntryKey, StoredBytes>
  /** `identityKey` -> seq. */
  readonly identities: Store<Uint8Array>
  /** SHA-256 (32 bytes) -> record. */
  readonly records: Store<Uint8Array>
  /** `token/<id>` -> `TokenRecord`, as JSON. */
  readonly control: Store<Uint8Array>
}

export type StoredBytes = Omit<StoredEntry, 'seq'>

export interface HeadRecord {
  /** The number that stands for the ledger in keys. */
  readonly id: number
  readonly seq: Seq
  readonly leafHash: LeafHash
  readonly recordedAt: string
}

export const pageBytes = 4_096
export const storesMax = 8

/**
 * Opens the environment in `folder`. Reads the pages of the tree of stores: on a damaged file that may end the process, so
 * look at the file with `pages.ts` before. `undefined` in a store's place when it is read-only and has no such store.
 */
export function openEnvironment(folder: string, mapBytes: number, readOnly: boolean): Environment {
  return withStores(openRoot(folder, { mapBytes, pageBytes, readOnly, storesMax, lazyMeta: false }))
}

export function withStores(root: Root): Environment {
  const store = (name: string, more: object = {}): Store<Uint8Array> =>
    present(name, root.openDB({ name, encoding: 'binary', keyEncoding: 'binary', ...more }))
  return {
    root,
    heads: store('heads', { useVersions: true }),
    entries: present(
      'entries',
      root.openDB<EntryKey, StoredBytes>({ name: 'entries', keyEncoder: entryKeys, encoder: entryValues }),
    ),
    identities: store('identities'),
    records: store('records'),
    control: store('control'),
  }
}

function present<T>(name: string, store: T | undefined): T {
  if (store === undefined)
    throw new LogUnreadable(`The log has no store ${name}: it was never finished, or is damaged.`)
  return store
}

const chunkBytes = 256 * 1024
let chunk = new Uint8Array(0)
let used = 0

/**
 * How lmdb hands over an entry's value. It shows each value in a buffer that it uses again, so the value has to be copied;
 * copies share chunks, because a buffer of its own for each costs more than all the rest of reading.
 */
const entryValues = {
  encode: (value: Uint8Array): Uint8Array => value,
  decode(shown: Uint8Array, length: number): StoredBytes {
    if (used + length > chunk.length) {
      chunk = new Uint8Array(Math.max(chunkBytes, length))
      used = 0
    }
    const from = used
    chunk.set(Uint8Array.prototype.subarray.call(shown, 0, length), from)
    used += length
    const split = Math.min(from + signatureBytes, used)
    return { bytes: chunk.subarray(split, used), signature: chunk.subarray(from, split) }
  },
}

const text = new TextDecoder()

export function headOf(heads: Store<Uint8Array>, ledger: string): HeadRecord | undefined {
  const value = heads.getBinary(Buffer.from(ledger))
  return value === undefined ? undefined : parseHead(ledger, value)
}

/**
 * Reads a head back. Only what `headValue` writes is one: a number, a place, a hash and a time that could be, in the one
 * spelling. Anything else was changed by somebody else, and a head that is half believed hides entries. Throws `LogUnreadable`.
 */
export function parseHead(ledger: string, value: Uint8Array): HeadRecord {
  const record = recordIn(value)
  if (record !== undefined && headValue(record).equals(value)) return record
  throw new LogUnreadable(`The head of ${ledger} is damaged. Restore the log from a backup.`)
}

function recordIn(value: Uint8Array): HeadRecord | undefined {
  const { id, seq, leafHash, recordedAt } = membersIn(value)
  if (!isNumberOfLedger(id) || !Number.isSafeInteger(seq) || (seq as number) < 0) return undefined
  if (typeof leafHash !== 'string' || !/^[0-9a-f]{64}$/.test(leafHash)) return undefined
  if (typeof recordedAt !== 'string' || !isDateTime(recordedAt)) return undefined
  return { id, seq: seq as Seq, leafHash: leafHash as LeafHash, recordedAt }
}

function membersIn(value: Uint8Array): { readonly [name in keyof HeadRecord]?: unknown } {
  try {
    const parsed: unknown = JSON.parse(text.decode(value))
    return typeof parsed === 'object' && parsed !== null ? parsed : {}
  } catch {
    return {}
  }
}

const isNumberOfLedger = (id: unknown): id is number =>
  typeof id === 'number' && Number.isInteger(id) && id > 0 && id < 0xffff_ffff

export const headValue = ({ id, seq, leafHash, recordedAt }: HeadRecord): Buffer =>
  Buffer.from(JSON.stringify({ id, seq, leafHash, recordedAt }))

/** Names of all ledgers that have a head, whatever stands in it. */
export const ledgerNames = (heads: Store<Uint8Array>): string[] =>
  [...heads.getRange({ start: new Uint8Array([0]) })].map(({ key }) => text.decode(key))

/** All heads, by name. */
export function* allHeads(heads: Store<Uint8Array>): Generator<[ledger: string, head: HeadRecord]> {
  for (const { key, value } of heads.getRange({ start: new Uint8Array([0]) })) {
    const ledger = text.decode(key)
    yield [ledger, parseHead(ledger, value)]
  }
}

/**
 * The number of a ledger whose head is damaged: that of the entries which name the ledger, else what the head still says.
 * Cost: an entry a ledger.
 */
export function numberWithoutHead({ heads, entries }: Environment, ledger: string): number | undefined {
  const value = heads.getBinary(Buffer.from(ledger))
  if (value === undefined) return undefined
  for (let next = 1; isNumberOfLedger(next); ) {
    const [first] = entries.getRange({ start: { ledger: next, seq: 0 }, limit: 1 })
    if (first === undefined) break
    const decoding = decodeEntry(first.value.bytes)
    if (decoding.ok && decoding.entry.ledger === ledger) return first.key.ledger
    next = first.key.ledger + 1
  }
  const { id } = membersIn(value)
  return isNumberOfLedger(id) ? id : undefined
}

/** The last place at which an entry of a ledger stands, whatever its head says. */
export function lastSeqOf({ entries }: Environment, id: number): Seq | undefined {
  const [last] = entries.getRange({ start: endOf(id), end: endOf(id - 1), reverse: true, limit: 1 })
  return last?.key.seq as Seq | undefined
}
