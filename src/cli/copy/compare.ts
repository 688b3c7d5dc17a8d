import { nodeSuite } from '../../crypto/node.ts'
import { leafHashOf } from '../../ledger/entry.ts'
import { namedRecord, recordMark } from '../../ledger/kept-record.ts'
import type { SourceEntry } from '../../verify/port.ts'
import type { OpenSource } from '../source/open.ts'

/** Where two readings of a ledger part. */
export interface Parting {
  readonly seq: number
  /** Another entry, or the end of one of the two, or what lies beside the entry. */
  readonly what: 'entry' | 'source-ends' | 'target-ends' | 'record' | 'head'
}

export interface Likeness {
  /** Entries from the first on that are the same in both: bytes and signature, and so the leaf hash. */
  readonly same: number
  readonly parting?: Parting
}

/** A copy as it was read back. */
export interface ReadBack extends Likeness {
  /** Its first entry. */
  readonly first?: SourceEntry
}

export interface CompareOptions {
  /** Entries that are compared at most. */
  readonly max?: number
  /** Hears of each entry that is the same, and may say where it parts after all. */
  readonly look?: (entry: SourceEntry, seq: number) => Promise<Parting | undefined> | undefined
  readonly onProgress?: (entries: number) => void
}

/** Reads a ledger in two places and says how far they are the same. Cost: a pass over both, up to where they part. */
export async function compare(source: OpenSource, target: OpenSource, options: CompareOptions = {}): Promise<Likeness> {
  const { max = Number.POSITIVE_INFINITY, look, onProgress } = options
  const [left, right] = [oneByOne(source), oneByOne(target)]
  try {
    for (let seq = 0; ; seq++) {
      if (seq === max) return { same: seq }
      const [mine, theirs] = [await left.next(), await right.next()]
      if (mine.done === true && theirs.done === true) return { same: seq }
      if (mine.done === true) return { same: seq, parting: { seq, what: 'source-ends' } }
      if (theirs.done === true) return { same: seq, parting: { seq, what: 'target-ends' } }
      if (!isSame(mine.value, theirs.value)) return { same: seq, parting: { seq, what: 'entry' } }
      const parting = await look?.(theirs.value, seq)
      if (parting !== undefined) return { same: seq, parting }
      if (seq % progressEvery === 0) onProgress?.(seq)
    }
  } finally {
    await left.return()
    await right.return()
  }
}

const progressEvery = 1_000

async function* oneByOne(source: OpenSource): AsyncGenerator<SourceEntry, void, void> {
  for await (const batch of source.entries(0)) yield* batch
}

const isSame = (a: SourceEntry, b: SourceEntry): boolean =>
  Buffer.compare(a.bytes, b.bytes) === 0 && Buffer.compare(a.signature, b.signature) === 0

/**
 * Reads a copy back: its first `count` entries are those of the source, it has no more, the head that its store keeps is the
 * last of them, and the records that entries name lie beside it, under the mark of their ledger.
 */
export async function readBack(
  source: OpenSource,
  target: OpenSource,
  count: number,
  onProgress: (entries: number) => void,
): Promise<ReadBack> {
  let first: SourceEntry | undefined
  let last: SourceEntry | undefined
  const look = (entry: SourceEntry, seq: number): Promise<Parting | undefined> | undefined => {
    first ??= entry
    last = entry
    const digest = namedRecord(entry.bytes)
    return digest === undefined ? undefined : recordParting(target, digest, seq)
  }
  const likeness = await compare(upTo(source, count), target, { look, onProgress })
  const found = { ...likeness, ...(first && { first }) }
  const { head } = target
  if (found.parting !== undefined || head === undefined) return found
  const isHead = last !== undefined && head.seq === count - 1 && head.leafHash === leafHashOf(nodeSuite, last.bytes)
  return isHead ? found : { ...found, parting: { seq: head.seq, what: 'head' } }
}

async function recordParting(target: OpenSource, digest: string, seq: number): Promise<Parting | undefined> {
  const record = await target.record?.(digest, seq)
  const mark = recordMark(nodeSuite, target.ledger, digest)
  const marked = await target.record?.(mark.key, seq)
  const isThere = record !== undefined && nodeSuite.sha256Hex(record) === digest
  return isThere && marked !== undefined && Buffer.compare(marked, mark.value) === 0
    ? undefined
    : { seq, what: 'record' }
}

/** The first `count` entries of a source. */
const upTo = (source: OpenSource, count: number): OpenSource => ({
  ...source,
  async *entries(from) {
    let at = from
    for await (const batch of source.entries(from)) {
      if (at >= count) return
      yield batch.slice(0, count - at)
      at += batch.length
    }
  },
})
