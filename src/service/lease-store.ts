import { hex, textOf, utf8 } from '../base/bytes.ts'
import { nodeSuite } from '../crypto/node.ts'
import type { LeaseBook } from '../projections/lease-book.ts'
import {
  familyLists,
  type Lease,
  type LeaseFamily,
  type LeaseLists,
  type LeaseState,
  leaseLists,
} from '../projections/lease-state.ts'
import { type Pages, settle } from '../projections/pages.ts'
import type { ViewChange, ViewStore } from '../projections/store.ts'
import { Recent } from './recent.ts'
import { bareRow, keyOf, row, stateView } from './state-rows.ts'

/**
 * Leases as rows of the state view. What a step writes is what its entries touch, however long a lease has been in use:
 *
 * - `f/<lease id>`: the family of that id, with the open pages of its lists;
 * - `g/<granted seq>`: a lease, with the open pages of its lists;
 * - `<list>/<granted seq>/<n>`, `<list>/<lease id>/<n>`: a full page of such a list, written once;
 * - `d/<hash>`: a decision that the family of an id has noted, and nothing more;
 * - `p/<principal>NUL<granted seq>`: a lease that the principal has or had, and nothing more.
 *
 * A long id or principal stands as its hash (`keyOf`).
 */
export class StoredLeases implements LeaseState {
  readonly #store: ViewStore
  readonly #ledger: string
  readonly #families = new Recent<string, LeaseFamily>(recentBytesMax)
  readonly #leases = new Recent<number, Lease>(recentBytesMax)
  /** The position that the rows remembered here are of: where the view stands elsewhere, somebody has begun it anew. */
  #keptAt = -1

  constructor(store: ViewStore, ledger: string) {
    this.#store = store
    this.#ledger = ledger
  }

  position(): number {
    return this.#store.position(stateView, this.#ledger)
  }

  /** Forgets what it remembers when that is not of the view's position. */
  check(): void {
    const position = this.position()
    if (position === this.#keptAt) return
    this.#families.clear()
    this.#leases.clear()
    this.#keptAt = position
  }

  /** Remembers the rows of a step that was committed. */
  keep(seq: number, { families, leases }: SettledRows): void {
    for (const [leaseId, family, bytes] of families) this.#families.set(leaseId, family, bytes)
    for (const [grantedSeq, lease, bytes] of leases) this.#leases.set(grantedSeq, lease, bytes)
    this.#keptAt = seq
  }

  family(leaseId: string): LeaseFamily | undefined {
    return this.#families.get(leaseId) ?? this.#read(this.#families, leaseId, familyKey(leaseId))
  }

  lease(grantedSeq: number): Lease | undefined {
    return this.#leases.get(grantedSeq) ?? this.#read(this.#leases, grantedSeq, grantKey(grantedSeq))
  }

  isNoted(leaseId: string, decision: string): boolean {
    return this.#store.get(stateView, this.#ledger, notedKey(leaseId, decision)) !== undefined
  }

  page<List extends keyof LeaseLists>(list: List, of: number | string, n: number): readonly LeaseLists[List][] {
    const value = this.#store.get(stateView, this.#ledger, pageKey(list, of, n))
    if (value === undefined) throw new Error(`The lease view has no page ${n} of the ${list} of ${of}.`)
    return JSON.parse(textOf(value) ?? '') as LeaseLists[List][]
  }

  #read<Key, Value>(recent: Recent<Key, Value>, name: Key, key: string): Value | undefined {
    const bytes = this.#store.get(stateView, this.#ledger, key)
    if (bytes === undefined) return undefined
    const value = JSON.parse(textOf(bytes) ?? '') as Value
    recent.set(name, value, bytes.length)
    return value
  }
}

/** Bytes of rows that are remembered between steps, of families and of leases each. */
const recentBytesMax = 8 << 20

/** What a book has changed, as rows; families and leases also as they are read back, with the bytes of their rows. */
export interface SettledRows {
  readonly changes: readonly ViewChange[]
  readonly families: readonly (readonly [leaseId: string, family: LeaseFamily, bytes: number])[]
  readonly leases: readonly (readonly [grantedSeq: number, lease: Lease, bytes: number])[]
}

export function rowsOf(book: LeaseBook): SettledRows {
  const changes: ViewChange[] = []
  const put = (key: string, value: unknown): number => {
    const change = row(key, value)
    changes.push(change)
    return change.value.length
  }
  const takeOut = (list: keyof LeaseLists, of: number | string, pages: Pages<unknown>): Pages<unknown> => {
    const settled = settle(pages)
    for (const [n, page] of settled.taken) put(pageKey(list, of, n), page)
    return settled.pages
  }
  const families = Array.from(book.families, ([leaseId, family]) => {
    const settled = withLists(family, familyLists, (list, pages) => takeOut(list, leaseId, pages))
    return [leaseId, settled, put(familyKey(leaseId), settled)] as const
  })
  const leases = Array.from(book.leases, ([grantedSeq, lease]) => {
    const settled = withLists(lease, leaseLists, (list, pages) => takeOut(list, grantedSeq, pages))
    return [grantedSeq, settled, put(grantKey(grantedSeq), settled)] as const
  })
  for (const [leaseId, decisions] of book.noted) {
    for (const decision of decisions) changes.push(bareRow(notedKey(leaseId, decision)))
  }
  return { changes, families, leases }
}

/** The same with lists changed, where they have full pages. */
function withLists<List extends string, Of extends { readonly [Name in List]?: Pages<unknown> }>(
  of: Of,
  lists: readonly List[],
  change: (list: List, pages: Pages<unknown>) => Pages<unknown>,
): Of {
  let after = of
  for (const list of lists) {
    const pages = of[list]
    if (pages?.full !== undefined) after = { ...after, [list]: change(list, pages) }
  }
  return after
}

const seqDigits = 16
/** Decimal digits of a seq that sort as it counts; `after` may be -1, which sorts before them all. */
const seqText = (seq: number): string => (seq < 0 ? '' : String(seq).padStart(seqDigits, '0'))
/** The seq that a key ends with. */
export const seqIn = (key: string): number => Number(key.slice(-seqDigits))

export const grantPrefix = 'g/'
export const grantKey = (seq: number): string => grantPrefix + seqText(seq)
export const principalPrefix = (principal: string): string => `${keyOf('p', principal)}\u0000`
export const principalKey = (principal: string, seq: number): string => principalPrefix(principal) + seqText(seq)
const familyKey = (leaseId: string): string => keyOf('f', leaseId)
/** All of these end in nine characters of their own, so that no id can make one of them into another. */
const pageKey = (list: string, of: number | string, n: number): string =>
  `${typeof of === 'number' ? `${list}/${seqText(of)}` : keyOf(list, of)}/${String(n).padStart(8, '0')}`
const notedKey = (leaseId: string, decision: string): string =>
  `d/${hex(nodeSuite.sha256(utf8(JSON.stringify([leaseId, decision]))))}`
