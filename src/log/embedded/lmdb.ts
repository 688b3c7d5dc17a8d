import { open, type RootDatabaseOptions } from 'lmdb'

/**
 * What we use of the lmdb package, typed as we use it, and the one place that calls it.
 *
 * How it behaves, read from its source and tried out (docs/adr/0002-embedded-log.md):
 * - Writes are queued and made by a thread of its own, all that one turn of the event loop has queued in one transaction.
 *   The promise of a write settles after the commit, and with `overlappingSync` off the commit has synced by then: pages,
 *   `fdatasync`, and the meta page through an O_DSYNC descriptor.
 * - A transaction that can't begin never settles its promises, and blocks `close`. It can't begin only after a commit that
 *   failed while it wrote the meta page, so a failed commit has to be looked into before the next write (`commits.ts`).
 * - A conditional block whose writes must not throw half-way: what was queued before the throw is committed.
 * - `put` with `noOverwrite` inside a conditional block forgets the block's condition: not used.
 * - The map grows by itself when a commit needs more than `mapSize`; that path leaks maps and doesn't check for failure, so
 *   `mapSize` is made larger than the log may ever be (`room.ts`).
 */
export interface Store<Key, Value = Uint8Array> {
  put(key: Key, value: Uint8Array, version?: number): Promise<boolean>
  remove(key: Key): Promise<boolean>
  clearAsync(): Promise<unknown>
  /** A copy. */
  getBinary(key: Key): Uint8Array | undefined
  doesExist(key: Key): boolean
  getRange(options: { start?: Key; end?: Key; limit?: number; reverse?: boolean }): Iterable<{ key: Key; value: Value }>
  getCount(options: { start?: Key; end?: Key; limit?: number }): number
  /** Runs `writes` when the key's version is `version` at that point of the transaction; resolves whether it was. */
  ifVersion(key: Key, version: number, writes: () => void): Promise<boolean>
  ifNoExists(key: Key, writes: () => void): Promise<boolean>
  batch(writes: () => void): Promise<boolean>
}

export interface Root extends Store<Uint8Array> {
  openDB<Key = Uint8Array, Value = Uint8Array>(options: StoreOptions): Store<Key, Value> | undefined
  /** Reads from here on see the newest commit. */
  resetReadTxn(): void
  /** Holds the newest snapshot until `done`. */
  useReadTransaction(): { done(): void }
  getStats(): { lastPageNumber: number; pageSize: number }
  readerCheck(): number
  backup(folder: string, compact: boolean): Promise<void>
  close(): Promise<void>
}

interface StoreOptions {
  readonly name: string
  readonly encoding?: 'binary'
  readonly keyEncoding?: 'binary'
  readonly keyEncoder?: object
  readonly encoder?: object
  readonly useVersions?: boolean
}

interface EnvironmentOptions {
  readonly mapBytes: number
  readonly pageBytes: number
  readonly readOnly: boolean
  readonly storesMax: number
  /** Leaves the last commit to the next one's sync: atomic and in order, but not yet durable when it resolves. */
  readonly lazyMeta: boolean
}

export const openRoot = (folder: string, options: EnvironmentOptions): Root =>
  open(folder, {
    mapSize: options.mapBytes,
    pageSize: options.pageBytes,
    readOnly: options.readOnly,
    maxDbs: options.storesMax,
    maxReaders: 254,
    noSubdir: false,
    overlappingSync: false,
    noMetaSync: options.lazyMeta,
    noMemInit: false,
    eventTurnBatching: false,
    txnStartThreshold: 0x7fff_ffff,
    permissionsMode: 0o600,
    encoding: 'binary',
    keyEncoding: 'binary',
  } as RootDatabaseOptions) as unknown as Root

/** The bytes of a Buffer as what they are. */
export const plain = ({ buffer, byteOffset, byteLength }: Uint8Array): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength)

/** Why a commit failed. Its promise says no more than that it did; the reason comes by a second promise. */
export async function causeOf(error: unknown): Promise<unknown> {
  if (!(error instanceof Error) || !('commitError' in error)) return error
  return Promise.resolve(error.commitError).then(
    () => error,
    cause => cause,
  )
}
