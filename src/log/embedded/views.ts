import { existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { type ViewChange, type ViewRange, type ViewStore, viewKeyBytesMax } from '../../projections/store.ts'
import { checkPosition, dumpOf, viewKey } from '../check-view.ts'
import { Commits } from './commits.ts'
import { checkAccess, dataFile, makeFolder } from './folder.ts'
import { plain } from './lmdb.ts'
import { checkPages } from './pages.ts'
import { Room, type RoomLimits } from './room.ts'
import {
  afterKey,
  keyText,
  type LedgerRows,
  ledgerRows,
  numberFor,
  openEnvironment,
  positionKey,
  positionOf,
  positionValue,
  putNames,
  rowKey,
  storeFor,
  type ViewEnvironment,
  viewPageBytes,
} from './view-rows.ts'

/**
 * The view store on LMDB, in an environment of its own: `views/` in the data folder. It may be deleted while nobody uses
 * it, and is thrown away here when it can't be read.
 *
 * One store a view. Keys: ledger u32, then 0x00 for the position (u48) or 0x01 and the row's key. `views` holds each view's
 * version, `ledgers` the number of each ledger. A commit syncs its pages, and its meta page with the next commit: after a
 * power cut the last commit may be missing, whole.
 */
export interface Views extends ViewStore {
  /** Views that say they have folded what the log doesn't have: what stands in them is of another log. */
  dropAheadOf(headSeq: (ledger: string) => number): Promise<void>
  close(): Promise<void>
}

/** Opens the view store in the data folder `dir`, making it where it is missing or can't be read. Throws `NotWritten`. */
export async function openViews(dir: string, limits: RoomLimits): Promise<Views> {
  const folder = join(dir, 'views')
  const file = dataFile(folder)
  const room = new Room(file, 'The view store', limits)
  const open = (): ViewEnvironment => openEnvironment(folder, room.mapBytes())
  if (!isReadable(file)) rmSync(folder, { recursive: true })
  makeFolder(folder)
  checkAccess(folder, true)
  if (!existsSync(file)) await room.tryOut()
  return new LmdbViews(new Commits({ what: 'The view store', open, file, room }))
}

function isReadable(file: string): boolean {
  if (!existsSync(file)) return true
  try {
    checkPages(file, { deep: false })
    return true
  } catch {
    return false
  }
}

class LmdbViews implements Views {
  readonly #commits: Commits<ViewEnvironment>

  constructor(commits: Commits<ViewEnvironment>) {
    this.#commits = commits
  }

  async adopt(view: string, version: number): Promise<void> {
    checkName(view)
    const value = Buffer.from(String(version))
    const isThere = ({ versions }: ViewEnvironment): boolean =>
      value.equals(versions.getBinary(Buffer.from(view)) ?? nothing)
    if (isThere(this.#commits.environment())) return
    await this.#commits.commit({
      bytes: overheadBytes,
      isThere,
      write: environment => {
        const store = storeFor(environment, view)
        return environment.root.batch(() => {
          void store.clearAsync()
          void environment.versions.put(Buffer.from(view), value)
        })
      },
    })
  }

  position(view: string, ledger: string): number {
    const rows = this.#rows(view, ledger)
    return rows === undefined ? -1 : positionOf(rows)
  }

  get(view: string, ledger: string, key: string): Uint8Array | undefined {
    const rows = this.#rows(view, ledger)
    const value = rows?.store.getBinary(rowKey(rows.number, viewKey(key, viewKeyBytesMax)))
    return value === undefined ? undefined : plain(value)
  }

  *range(view: string, ledger: string, { after, prefix = '', limit }: ViewRange): Generator<[string, Uint8Array]> {
    const rows = this.#rows(view, ledger)
    if (rows === undefined) return
    const first = rowKey(rows.number, Buffer.from(prefix))
    const end = Buffer.concat([first, Buffer.of(0xff)])
    const next = after === undefined ? first : afterKey(rowKey(rows.number, Buffer.from(after)))
    let start: Uint8Array = Buffer.compare(next, first) > 0 ? next : first
    for (let left = limit; left > 0; ) {
      // A few rows at a time, so that no snapshot is held while the caller thinks.
      const count = Math.min(left, rowsAtOnce)
      const some = [...rows.store.getRange({ start, end, limit: count })]
      for (const { key, value } of some) yield [keyText(key), plain(value)]
      const last = some.at(-1)
      if (last === undefined || some.length < count) return
      left -= count
      start = afterKey(last.key)
    }
  }

  async commit(view: string, ledger: string, position: number, changes: readonly ViewChange[]): Promise<void> {
    checkName(view)
    const rows = changes.map(({ key, value }) => ({
      key: viewKey(key, viewKeyBytesMax),
      value: value && Buffer.from(value),
    }))
    checkPosition(view, this.position(view, ledger), position)
    const stamp = positionValue(position)
    await this.#commits.commit({
      bytes: rows.reduce((sum, { value }) => sum + (value?.length ?? 0) + 3 * viewPageBytes, overheadBytes),
      isThere: environment => stamp.equals(ledgerRows(environment, view, ledger)?.position ?? nothing),
      write: environment => {
        const store = storeFor(environment, view)
        const number = numberFor(environment, ledger)
        const keyed = rows.map(({ key, value }) => ({ key: rowKey(number, key), value }))
        return environment.root.batch(() => {
          putNames(environment, view, ledger)
          for (const { key, value } of keyed) void (value === undefined ? store.remove(key) : store.put(key, value))
          void store.put(positionKey(number), stamp)
        })
      },
    })
  }

  async reset(view: string, ledger?: string): Promise<void> {
    if (!this.#commits.environment().views.has(view)) return
    if (ledger !== undefined) return this.#resetLedger(view, ledger)
    await this.#commits.commit({
      bytes: overheadBytes,
      isThere: ({ views }) => views.get(view)?.getCount({ limit: 1 }) === 0,
      write: environment => environment.root.batch(() => void storeFor(environment, view).clearAsync()),
    })
  }

  async #resetLedger(view: string, ledger: string): Promise<void> {
    const rows = this.#rows(view, ledger)
    if (rows === undefined) return
    const start = positionKey(rows.number)
    const keys = [...rows.store.getRange({ start, end: positionKey(rows.number + 1) })].map(({ key }) => key)
    await this.#commits.commit({
      bytes: keys.length * rowBytes + overheadBytes,
      isThere: environment => ledgerRows(environment, view, ledger) === undefined,
      write: environment =>
        environment.root.batch(() => {
          for (const key of keys) void storeFor(environment, view).remove(key)
        }),
    })
  }

  dump(view: string, ledger: string): string {
    return dumpOf(this.position(view, ledger), this.range(view, ledger, { limit: Number.POSITIVE_INFINITY }))
  }

  async dropAheadOf(headSeq: (ledger: string) => number): Promise<void> {
    const environment = this.#commits.environment()
    const ledgers = [...environment.numbers.keys()].filter(name => !name.startsWith('#'))
    for (const view of environment.views.keys()) {
      if (ledgers.some(ledger => this.position(view, ledger) > headSeq(ledger))) await this.reset(view)
    }
  }

  close(): Promise<void> {
    return this.#commits.close()
  }

  #rows(view: string, ledger: string): LedgerRows | undefined {
    return ledgerRows(this.#commits.environment(), view, ledger)
  }
}

const nothing = new Uint8Array(0)
const overheadBytes = 64 * viewPageBytes
const rowsAtOnce = 256
/** Of a row that is taken away with all others of its ledger: about its share of the pages that change. */
const rowBytes = 512

function checkName(view: string): void {
  if (!/^[a-z0-9._-]{1,64}$/.test(view)) throw new RangeError(`No name for a view: ${JSON.stringify(view)}.`)
}
