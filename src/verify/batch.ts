import { signingInputLength, writeSigningInput } from '../ledger/signature.ts'
import type { EmitterTerm } from '../projections/emitters.ts'
import type { Remark } from './findings.ts'
import type { EntryBatch, SourceEntry } from './port.ts'

/** Entries that were linked and wait to be judged together. */
export interface Group {
  readonly entries: SourceEntry[]
  /** The place that each is judged at. */
  readonly seqs: number[]
  /** Whether each took its place in the chain. */
  readonly placed: boolean[]
  /** What linking had to say, by entry; `seq` where it is about another place than the entry's. */
  readonly remarks: { readonly index: number; readonly seq: number; readonly remark: Remark }[]
  readonly keys: Uint8Array[]
  readonly keyOf: number[]
  byteCount: number
}

export const newGroup = (): Group => ({
  entries: [],
  seqs: [],
  placed: [],
  remarks: [],
  keys: [],
  keyOf: [],
  byteCount: 0,
})

const entriesMax = 256
const bytesMax = 1 << 20
/** `keyOf` is one byte an entry. */
const keysMax = 255

export const isFull = (group: Group): boolean =>
  group.entries.length >= entriesMax || group.byteCount >= bytesMax || group.keys.length >= keysMax

/** Adds an entry; `key` is what its signature is to be checked under, if under any. */
export function addTo(
  group: Group,
  entry: SourceEntry,
  seq: number,
  placed: boolean,
  key: Uint8Array | undefined,
): void {
  group.entries.push(entry)
  group.seqs.push(seq)
  group.placed.push(placed)
  group.keyOf.push(key === undefined ? 0 : keyNumber(group, key))
  group.byteCount += entry.bytes.length
}

function keyNumber(group: Group, key: Uint8Array): number {
  const at = group.keys.indexOf(key)
  return at >= 0 ? at + 1 : group.keys.push(key)
}

/** The group as a judge takes it. Copies the bytes once: a batch may travel to another thread. */
export function pack(group: Group, emitters: readonly EmitterTerm[]): EntryBatch {
  const count = group.entries.length
  const inputs = new Uint8Array(group.entries.reduce((sum, { bytes }) => sum + signingInputLength(bytes.length), 0))
  const starts = new Uint32Array(count)
  const ends = new Uint32Array(count)
  const signatures = new Uint8Array(64 * count)
  let at = 0
  for (const [index, { bytes, signature }] of group.entries.entries()) {
    at = writeSigningInput(inputs, at, bytes)
    starts[index] = at - bytes.length
    ends[index] = at
    if (signature.length === 64) signatures.set(signature, 64 * index)
  }
  return { inputs, starts, ends, signatures, keys: group.keys, keyOf: Uint8Array.from(group.keyOf), emitters }
}
