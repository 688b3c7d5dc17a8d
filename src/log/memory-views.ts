import { type ViewChange, type ViewRange, type ViewStore, viewKeyBytesMax } from '../projections/store.ts'
import { checkPosition, dumpOf, viewKey } from './check-view.ts'

interface Rows {
  position: number
  readonly values: Map<string, Uint8Array>
  /** Keys in order; made anew when they are asked for after a change. */
  sorted: readonly string[] | undefined
}

/** A view store in memory: what the embedded one is tested against. */
export function memoryViews(): ViewStore {
  return new MemoryViews()
}

class MemoryViews implements ViewStore {
  readonly #views = new Map<string, Map<string, Rows>>()
  readonly #versions = new Map<string, number>()

  async adopt(view: string, version: number): Promise<void> {
    if (this.#versions.get(view) !== version) this.#views.delete(view)
    this.#versions.set(view, version)
  }

  position(view: string, ledger: string): number {
    return this.#rows(view, ledger)?.position ?? -1
  }

  get(view: string, ledger: string, key: string): Uint8Array | undefined {
    const rows = this.#rows(view, ledger)
    if (rows === undefined) return undefined
    viewKey(key, viewKeyBytesMax)
    return rows.values.get(key)?.slice()
  }

  *range(view: string, ledger: string, { after, prefix = '', limit }: ViewRange): Generator<[string, Uint8Array]> {
    const rows = this.#rows(view, ledger)
    if (rows === undefined) return
    rows.sorted ??= [...rows.values.keys()].sort(byBytes)
    let left = limit
    for (const key of rows.sorted) {
      if (left <= 0) return
      if (!key.startsWith(prefix) || (after !== undefined && byBytes(key, after) <= 0)) continue
      left -= 1
      yield [key, rows.values.get(key)?.slice() ?? new Uint8Array(0)]
    }
  }

  async commit(view: string, ledger: string, position: number, changes: readonly ViewChange[]): Promise<void> {
    for (const { key } of changes) viewKey(key, viewKeyBytesMax)
    const rows: Rows = this.#rows(view, ledger) ?? { position: -1, values: new Map(), sorted: undefined }
    checkPosition(view, rows.position, position)
    for (const { key, value } of changes) {
      if (value === undefined) rows.values.delete(key)
      else rows.values.set(key, new Uint8Array(value))
    }
    rows.position = position
    rows.sorted = undefined
    const ledgers = this.#views.get(view) ?? new Map<string, Rows>()
    this.#views.set(view, ledgers.set(ledger, rows))
  }

  async reset(view: string, ledger?: string): Promise<void> {
    if (ledger === undefined) this.#views.delete(view)
    else this.#views.get(view)?.delete(ledger)
  }

  dump(view: string, ledger: string): string {
    return dumpOf(this.position(view, ledger), this.range(view, ledger, { limit: Number.POSITIVE_INFINITY }))
  }

  #rows(view: string, ledger: string): Rows | undefined {
    return this.#views.get(view)?.get(ledger)
  }
}

const byBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b))
