/** One change of a view: `undefined` takes the key away. */
export interface ViewChange {
  readonly key: string
  readonly value: Uint8Array | undefined
}

export interface ViewRange {
  /** Begins after this key. */
  readonly after?: string
  /** Only keys that begin so. */
  readonly prefix?: string
  /** Rows at most. */
  readonly limit: number
}

/**
 * Where views keep what they have folded: rows by view, ledger and key, with the seq that they are folded up to.
 *
 * Everything in it can be made again from the log, so a commit is atomic but need not be on disk when it resolves: after
 * a power cut a view may stand where it stood some commits ago, never between two, and its position is always that of its
 * rows. Keys are well-formed strings of at most `viewKeyBytesMax` bytes of UTF-8, and sort by those bytes. One process
 * opens it at a time. A name that begins with `#` stands for no ledger, but for what a view notes of itself.
 */
export interface ViewStore {
  /** Makes the view hold this version's shape: rows that were written under another version are dropped. */
  adopt(view: string, version: number): Promise<void>
  /** Last seq folded; -1 before the first. Cost: one lookup. */
  position(view: string, ledger: string): number
  /** A copy of the value. `RangeError` for a key that no row can have, once the view has any. */
  get(view: string, ledger: string, key: string): Uint8Array | undefined
  /** Rows in key order, read as they are asked for; a commit in between may or may not be seen. */
  range(view: string, ledger: string, range: ViewRange): Iterable<[key: string, value: Uint8Array]>
  /**
   * Makes all changes and sets the position, or does nothing and rejects. Changes apply in order. `RangeError` when the
   * position would go back or a key is too long.
   */
  commit(view: string, ledger: string, position: number, changes: readonly ViewChange[]): Promise<void>
  /** Forgets the view, in every ledger or in one: positions are -1 again. */
  reset(view: string, ledger?: string): Promise<void>
  /** SHA-256 (64 lower-case hex digits) over position and all rows: equal exactly when the content is. */
  dump(view: string, ledger: string): string
}

export const viewKeyBytesMax = 4_000
