import type { TrustedKey } from '../aep/keyring.ts'
import type { StoredEntry } from '../ledger/entry.ts'
import type { EmitterTerm } from '../projections/emitters.ts'
import type { Remark } from './findings.ts'

/** An entry as a source gives it. Nothing in it is authenticated yet: the verifier reads it defensively. */
export interface SourceEntry extends Pick<StoredEntry, 'bytes' | 'signature'> {
  /** The place that the source keeps it at; absent where the source has no numbering but the order. */
  readonly seq?: number
  /** Why no entry could be read from this place; `bytes` is then whatever stands there. */
  readonly problem?: string
}

/** What is verified: one ledger of a data directory, an export, a running service. */
export interface EntrySource {
  readonly ledger: string
  /**
   * Entries in the order of the source, in batches of any size, from the one at place `from` on. It is read again, from
   * a later place, to settle doubts; it must then give the same entries.
   */
  entries(from: number): AsyncIterable<readonly SourceEntry[]>
  /** What the source says its newest place is, if it says so. Read before the entries, so that it may since have grown. */
  readonly head?: { readonly seq: number; readonly leafHash: string; readonly recordedAt?: string }
  /** What is wrong with what the source says of its newest place, by itself; `seq` where it is about a place. */
  readonly headFault?: { readonly seq?: number; readonly remark: Remark }
  /** A record kept beside the log, by its SHA-256; absent where the source carries none. */
  record?(digest: string, seq: number): Promise<Uint8Array | undefined>
}

/** What is believed beforehand. It comes from whoever verifies, never from what is verified. */
export interface Trust {
  /** Ledger keys by their ids; a window of time, where one is given, is one of `recorded_at`. */
  readonly keys: readonly TrustedKey[]
  readonly head?: { readonly seq: number; readonly leafHash: string }
  readonly checkpoint?: Checkpoint
  readonly receipts?: readonly HeldReceipt[]
}

/** A tree head: the RFC 6962 root over the first `size` leaf hashes. */
export interface Checkpoint {
  readonly origin: string
  readonly size: number
  readonly rootHash: Uint8Array
}

/** What a gateway kept of an acknowledged event. */
export interface HeldReceipt {
  readonly seq: number
  readonly leafHash: string
  /** Names the event for people. */
  readonly about?: string
}

/**
 * Entries to be judged each by itself: everything that needs no other entry, and nearly all of the cost. Plain bytes and
 * arrays, so that a batch travels to another thread as it is.
 */
export interface EntryBatch {
  /**
   * The signing inputs of all entries, one behind the other, so that none is made again: that of entry `i` ends before
   * `ends[i]`, and its last part, from `starts[i]` on, are the entry's bytes.
   */
  readonly inputs: Uint8Array
  readonly starts: Uint32Array
  readonly ends: Uint32Array
  /** 64 bytes an entry. */
  readonly signatures: Uint8Array
  readonly keys: readonly Uint8Array[]
  /** Which of `keys` entry `i` is to be checked under, plus 1; 0: its signature is not to be checked. */
  readonly keyOf: Uint8Array
  /** Keys of emitters that entries before the batch registered, in that order, with their terms as those entries leave them. */
  readonly emitters: readonly EmitterTerm[]
}

/** What came of a batch, an element an entry in each array. */
export interface BatchJudgement {
  /** By entry, ascending. */
  readonly remarks: readonly (Remark & { readonly index: number })[]
  /** 1 where the signature was checked, whatever came of it. */
  readonly checked: Uint8Array
  /** Two words of the digest of the event's identity; both 0 where it has none. */
  readonly identities: Uint32Array
  /** 48 bits of the digest of the event's source; NaN where it has none. */
  readonly sources: Float64Array
  /** Event time, ms since the epoch; NaN where it has none. */
  readonly timesMs: Float64Array
  /** The emitter's own number; NaN where it has none. */
  readonly sequences: Float64Array
  /** What is to be followed up with other entries or the source in hand. */
  readonly mentions: readonly Mention[]
}

export type Mention =
  | { readonly index: number; readonly kind: 'record'; readonly digest: string; readonly length: number }
  | {
      readonly index: number
      readonly kind: 'gap'
      readonly count: number
      readonly first?: number
      readonly last?: number
    }
  | { readonly index: number; readonly kind: 'conflict'; readonly about: string; readonly firstSeq: number }

/** Judges batches, here or on other threads. Calls may overlap up to `inFlightMax`. */
export interface Judge {
  judge(batch: EntryBatch): Promise<BatchJudgement>
  readonly inFlightMax: number
}
