import { fromHex } from '../../base/bytes.ts'
import type { Head, Seq, StoredEntry } from '../../ledger/entry.ts'
import type { EventIdentity, LogReader } from '../port.ts'
import { allHeads, type Environment, type HeadRecord, headOf } from './environment.ts'
import { endOf, fromOf, identityKey, seqOf } from './keys.ts'
import { plain } from './lmdb.ts'

/**
 * The reading half of the log over an open environment. Each call reads one snapshot: the newest when it was called.
 *
 * `environment` gives the environment in use, and may take its time or throw, when it has to be made sure of first.
 */
export class EnvironmentReader implements LogReader {
  readonly #environment: () => Environment | Promise<Environment>
  /** The number of a ledger never changes. */
  readonly #ids = new Map<string, number>()

  constructor(environment: () => Environment | Promise<Environment>) {
    this.#environment = environment
  }

  async ledgers(): Promise<readonly string[]> {
    const { heads } = await this.#newest()
    return [...allHeads(heads)].map(([ledger]) => ledger)
  }

  async head(ledger: string): Promise<Head | undefined> {
    const record = headOf((await this.#newest()).heads, ledger)
    return record === undefined ? undefined : headFrom(record)
  }

  async read(ledger: string, from: number, limit: number, bytesMax = 8 << 20): Promise<readonly StoredEntry[]> {
    const environment = await this.#newest()
    const id = this.#idOf(environment, ledger)
    const entries: StoredEntry[] = []
    if (id === undefined || limit <= 0) return entries
    let total = 0
    const range = { start: fromOf(id, from), end: endOf(id), limit }
    for (const { key, value } of environment.entries.getRange(range)) {
      const { bytes, signature } = value
      total += bytes.length
      if (entries.length > 0 && total > bytesMax) break
      entries.push({ seq: key.seq as Seq, bytes, signature })
    }
    return entries
  }

  async find(ledger: string, ids: readonly EventIdentity[]): Promise<readonly (Seq | undefined)[]> {
    const environment = await this.#newest()
    const id = this.#idOf(environment, ledger)
    return ids.map(identity => (id === undefined ? undefined : seqAt(environment, identityKey(id, identity))))
  }

  async record(digest: string): Promise<Uint8Array | undefined> {
    const { records } = await this.#newest()
    const key = fromHex(digest)
    const record = key?.length === 32 ? records.getBinary(key) : undefined
    return record === undefined ? undefined : plain(record)
  }

  async #newest(): Promise<Environment> {
    const environment = await this.#environment()
    environment.root.resetReadTxn()
    return environment
  }

  #idOf({ heads }: Environment, ledger: string): number | undefined {
    const known = this.#ids.get(ledger) ?? headOf(heads, ledger)?.id
    if (known !== undefined) this.#ids.set(ledger, known)
    return known
  }
}

/** The seq of the identity with this key. Cost: one lookup. */
export function seqAt({ identities }: Environment, key: Uint8Array): Seq | undefined {
  const value = identities.getBinary(key)
  return value === undefined ? undefined : seqOf(value)
}

export const headFrom = ({ seq, leafHash, recordedAt }: HeadRecord): Head => ({ seq, leafHash, recordedAt })
