import { base64, textOf } from '../../../src/base/bytes.ts'
import { Fault } from '../../../src/base/fault.ts'
import { nodeSuite } from '../../../src/crypto/node.ts'
import { readEntry } from '../../../src/ledger/decode.ts'
import { leafHashOf } from '../../../src/ledger/entry.ts'
import type { LogReader } from '../../../src/log/port.ts'
import type { LeaseAt, LeaseFilter, LeasePage, LeaseView } from '../../../src/projections/port.ts'
import type { Told } from '../../../src/projections/violations.ts'
import type { EventSearch, SearchCursor, SearchFilter, SearchHit, SearchPage } from '../../../src/query/port.ts'

/** Search over the log itself, by type alone; it notes what it was asked, and can lag, fail or lie. */
export class SearchDouble implements EventSearch {
  readonly asked: { filter: SearchFilter; limit: number; after: SearchCursor | undefined }[] = []
  /** How many seqs it is behind the log. */
  behind = 0
  down = false
  lie: (hit: SearchHit) => SearchHit = hit => hit
  readonly #log: LogReader

  constructor(log: LogReader) {
    this.#log = log
  }

  async position(ledger: string): Promise<number> {
    return ((await this.#log.head(ledger))?.seq ?? -1) - this.behind
  }

  async reached(ledger: string, seq: number, timeoutMs: number): Promise<boolean> {
    if ((await this.position(ledger)) >= seq) return true
    await new Promise(resolve => setTimeout(resolve, timeoutMs))
    return (await this.position(ledger)) >= seq
  }

  async search(ledger: string, filter: SearchFilter, limit: number, after?: SearchCursor): Promise<SearchPage> {
    this.asked.push({ filter, limit, after })
    if (this.down) throw new Fault('query-unavailable', 'The double is down.')
    const asOf = await this.position(ledger)
    const hits = (await this.#log.read(ledger, 0, asOf + 1)).map((stored): SearchHit => {
      const { event, recorded_at } = readEntry(stored.bytes)
      const leafHash = leafHashOf(nodeSuite, stored.bytes)
      const timeMs = Date.parse(event.time ?? recorded_at)
      return {
        seq: stored.seq,
        leafHash,
        timeMs,
        entry: textOf(stored.bytes) ?? '',
        signature: base64(stored.signature),
      }
    })
    const wanted = hits
      .filter(({ entry }) => filter.types?.includes(JSON.parse(entry).event.type) ?? true)
      .filter(hit => after === undefined || before(hit, after))
      .sort((a, b) => b.timeMs - a.timeMs || b.seq - a.seq)
    const items = wanted.slice(0, limit).map(hit => this.lie(hit))
    const last = items.at(-1)
    const next = wanted.length > limit && last !== undefined ? { next: { timeMs: last.timeMs, seq: last.seq } } : {}
    return { items, asOf, ...next }
  }
}

const before = (hit: SearchHit, after: SearchCursor): boolean =>
  hit.timeMs < after.timeMs || (hit.timeMs === after.timeMs && hit.seq < after.seq)

/** A lease view that holds what a test puts there. */
export class LeasesDouble implements LeaseView {
  readonly asked: { filter: LeaseFilter; atMs: number; after: number; now: boolean }[] = []
  items: readonly LeaseAt[] = []
  /** What was said of lease ids that nobody had granted. */
  readonly strays = new Map<string, Told>()
  at = Number.MAX_SAFE_INTEGER

  async position(): Promise<number> {
    return this.at
  }

  async reached(_ledger: string, seq: number): Promise<boolean> {
    return this.at >= seq
  }

  async list(_: string, filter: LeaseFilter, atMs: number, limit: number, after = -1, now = false): Promise<LeasePage> {
    this.asked.push({ filter, atMs, after, now })
    const wanted = this.items.filter(
      ({ lease }) => lease.grantedSeq > after && (filter.lease === undefined || lease.leaseId === filter.lease),
    )
    const items = wanted.slice(0, limit)
    const next = wanted.length > limit ? { next: items.at(-1)?.lease.grantedSeq ?? 0 } : {}
    const strays = this.strays.get(filter.lease ?? '')
    return { items, asOf: this.at, ...next, ...(strays && { strays }) }
  }
}
