import { fromHex } from '../../base/bytes.ts'
import type { Head, Seq, StoredEntry } from '../../ledger/entry.ts'
import { type TokenRecord, tokenPrefix } from '../control.ts'
import { type EventIdentity, type LogReader, LogUnreadable } from '../port.ts'
import {
  type Environment,
  type HeadRecord,
  headOf,
  lastSeqOf,
  ledgerNames,
  numberWithoutHead,
  parseHead,
} from './environment.ts'
import { endOf, fromOf, identityKey, seqOf } from './keys.ts'
import { plain } from './lmdb.ts'

/** Where a ledger ends, by its head and by its entries. */
export interface Extent {
  /** Absent where there is none, or none that can be read. */
  readonly head: Head | undefined
  /** Place of the last entry that is there. */
  readonly lastSeq: Seq | undefined
}

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
    return ledgerNames((await this.#newest()).heads)
  }

  async head(ledger: string): Promise<Head | undefined> {
    const record = headOf((await this.#newest()).heads, ledger)
    return record === undefined ? undefined : headFrom(record)
  }

  /** What the store says of the end of `ledger`, for whoever believes none of it: all of it at one moment. */
  async extent(ledger: string): Promise<Extent> {
    const environment = await this.#newest()
    const value = environment.heads.getBinary(Buffer.from(ledger))
    const id = this.#idOf(environment, ledger)
    const lastSeq = id === undefined ? undefined : lastSeqOf(environment, id)
    return { head: value && soundHead(ledger, value), lastSeq }
  }

  /** Entries of a ledger whose head is damaged are read, too. */
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

  async tokens(): Promise<readonly TokenRecord[]> {
    const { control } = await this.#newest()
    const range = { start: Buffer.from(tokenPrefix), end: Buffer.from(`${tokenPrefix}~`) }
    return [...control.getRange(range)].map(({ value }) => JSON.parse(Buffer.from(value).toString()) as TokenRecord)
  }

  async #newest(): Promise<Environment> {
    const environment = await this.#environment()
    environment.root.resetReadTxn()
    return environment
  }

  #idOf(environment: Environment, ledger: string): number | undefined {
    const known = this.#ids.get(ledger) ?? numberOf(environment, ledger)
    if (known !== undefined) this.#ids.set(ledger, known)
    return known
  }
}

function numberOf(environment: Environment, ledger: string): number | undefined {
  try {
    return headOf(environment.heads, ledger)?.id
  } catch (error) {
    if (!(error instanceof LogUnreadable)) throw error
    return numberWithoutHead(environment, ledger)
  }
}

function soundHead(ledger: string, value: Uint8Array): Head | undefined {
  try {
    return headFrom(parseHead(ledger, value))
  } catch (error) {
    if (error instanceof LogUnreadable) return undefined
    throw error
  }
}

/** The seq of the identity with this key. Cost: one lookup. */
export function seqAt({ identities }: Environment, key: Uint8Array): Seq | undefined {
  const value = identities.getBinary(key)
  return value === undefined ? undefined : seqOf(value)
}

export const headFrom = ({ seq, leafHash, recordedAt }: HeadRecord): Head => ({ seq, leafHash, recordedAt })
