import type { Head, LeafHash, Seq, StoredEntry } from '../ledger/entry.ts'

/**
 * The ledger log: the one source of truth, read by everybody, written by one sequencer a ledger.
 *
 * - **Order**: entries of a ledger are read back in seq order, whole, and exactly as appended.
 * - **Durability**: when `append` resolves, its batch is on disk and survives power loss.
 * - **Atomicity**: a batch is there whole or not at all, its `ids` and head with it.
 * - **Identity**: an event's identity has one seq for ever. A batch that would give it a second one is not written.
 * - **Concurrency**: one writer a log; any number of readers, in other processes too. A read sees every batch whose
 *   `append` had resolved when it was called.
 * - **Failure**: `append` rejects with `NotWritten` (certainly not there, now or later) or `WriteUnknown` (may be there):
 *   the caller answers the second by asking for `head`, and never by guessing. That call makes the log certain of itself
 *   first, and rejects for as long as it can't.
 */
export interface LogReader {
  /** Names of all ledgers, sorted. */
  ledgers(): Promise<readonly string[]>
  /** The newest place of `ledger`; `undefined` when there is no such ledger. */
  head(ledger: string): Promise<Head | undefined>
  /**
   * Entries of `ledger` from seq `from` on, in order, at most `limit` of them and, after the first, at most
   * `bytesMax` bytes (default 8 MiB). Empty at the end of the log.
   */
  read(ledger: string, from: number, limit: number, bytesMax?: number): Promise<readonly StoredEntry[]>
  /**
   * For each event identity the seq it was given, or `undefined`. Recognised for ever: there is no window, and no two
   * identities are taken for one another, whatever their length.
   */
  find(ledger: string, ids: readonly EventIdentity[]): Promise<readonly (Seq | undefined)[]>
  /** The content-addressed record too large for an entry, by its SHA-256 (64 lower-case hex digits). */
  record(digest: string): Promise<Uint8Array | undefined>
}

export interface LedgerLog extends LogReader {
  /**
   * Makes a batch durable; see above for what each outcome means. Batches of one ledger are appended in turn, in the
   * order of the calls; those of several ledgers may share one sync.
   */
  append(batch: AppendBatch): Promise<void>
  /**
   * Keeps a record beside the log, durable when it resolves; rejects as `append` does. Doing it again changes nothing.
   * `RangeError` when `digest` is not 64 lower-case hex digits; that it is the record's own is for the caller to see to,
   * here and whenever it reads.
   */
  putRecord(digest: string, bytes: Uint8Array): Promise<void>
  /** Finishes what was begun and lets go of files and locks. */
  close(): Promise<void>
}

/** CloudEvents `source` and `id`: an event's identity, for ever. */
export interface EventIdentity {
  readonly source: string
  readonly id: string
}

/** An identity as one string that no other identity has. */
export const identityText = ({ source, id }: EventIdentity): string => `${source.length} ${source}${id}`

export interface AppendBatch {
  readonly ledger: string
  /** Contiguous, beginning at the head's seq + 1. */
  readonly entries: readonly StoredEntry[]
  /** Identity of the event of each entry, in the same order. */
  readonly ids: readonly EventIdentity[]
  /** The head before the batch: what the log checks it against; seq -1 makes the ledger. */
  readonly after: { readonly seq: Seq; readonly leafHash: LeafHash }
  /** The head once it is appended. */
  readonly head: Head
}

/**
 * The batch is certainly not in the log; `reason` says whether trying again later can help: `full` and `read-only` when
 * somebody made room or gave permission, without a restart; `head-moved` with a batch sealed anew; `failed` when the batch
 * is not one that the log can take, or the message says so.
 */
export class NotWritten extends Error {
  readonly reason: 'full' | 'read-only' | 'head-moved' | 'closed' | 'failed'
  constructor(reason: NotWritten['reason'], message: string, cause?: unknown) {
    super(message, { cause })
    this.name = 'NotWritten'
    this.reason = reason
  }
}

/** Nobody knows whether the batch is in the log: open it again and read back. */
export class WriteUnknown extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, { cause })
    this.name = 'WriteUnknown'
  }
}

/** Another process holds the log for writing. `holder` says which, as far as is known. */
export class LogInUse extends Error {
  readonly holder: string
  constructor(message: string, holder: string) {
    super(message)
    this.name = 'LogInUse'
    this.holder = holder
  }
}

/** The folder holds something this version can't read: from another version, half-made, or damaged. */
export class LogUnreadable extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, { cause })
    this.name = 'LogUnreadable'
  }
}
