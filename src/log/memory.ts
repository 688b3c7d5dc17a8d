import type { Head, Seq, StoredEntry } from '../ledger/entry.ts'
import { emptyHead } from '../ledger/seal.ts'
import { batchFault, checkDigest } from './check-batch.ts'
import type { ControlStore, TokenRecord } from './control.ts'
import { type AppendBatch, type EventIdentity, identityText, type LedgerLog, NotWritten } from './port.ts'

interface Ledger {
  readonly entries: StoredEntry[]
  readonly seqs: Map<string, Seq>
  head: Head
}

/** The log as its port describes it, kept in memory: what the other adapters are tested against, and a log for tests. */
export function memoryLog(): LedgerLog & ControlStore {
  return new MemoryLog()
}

class MemoryLog implements LedgerLog, ControlStore {
  readonly #ledgers = new Map<string, Ledger>()
  readonly #records = new Map<string, Uint8Array>()
  readonly #tokens = new Map<string, TokenRecord>()
  #closed = false

  async append(batch: AppendBatch): Promise<void> {
    if (this.#closed) throw new NotWritten('closed', 'The log is closed.')
    const fault = batchFault(batch)
    if (fault !== undefined) throw new NotWritten('failed', fault)
    const ledger = this.#ledgers.get(batch.ledger) ?? { entries: [], seqs: new Map<string, Seq>(), head: emptyHead }
    const { after } = batch
    if (ledger.head.seq !== after.seq || ledger.head.leafHash !== after.leafHash) {
      throw new NotWritten('head-moved', `The head of ${batch.ledger} is at seq ${ledger.head.seq}, not ${after.seq}.`)
    }
    const keys = batch.ids.map(identityText)
    const taken = batch.ids.find((_, n) => ledger.seqs.has(keys[n] ?? ''))
    if (taken !== undefined) throw new NotWritten('failed', `The event ${JSON.stringify(taken)} has a seq already.`)
    for (const [n, { seq, bytes, signature }] of batch.entries.entries()) {
      ledger.entries.push({ seq, bytes: new Uint8Array(bytes), signature: new Uint8Array(signature) })
      ledger.seqs.set(keys[n] ?? '', seq)
    }
    ledger.head = { seq: batch.head.seq, leafHash: batch.head.leafHash, recordedAt: batch.head.recordedAt }
    this.#ledgers.set(batch.ledger, ledger)
  }

  async ledgers(): Promise<readonly string[]> {
    this.#check()
    return [...this.#ledgers.keys()].sort()
  }

  async head(ledger: string): Promise<Head | undefined> {
    this.#check()
    return this.#ledgers.get(ledger)?.head
  }

  async read(ledger: string, from: number, limit: number, bytesMax = 8 << 20): Promise<readonly StoredEntry[]> {
    this.#check()
    const entries: StoredEntry[] = []
    let bytes = 0
    const first = Math.max(0, from)
    for (const entry of this.#ledgers.get(ledger)?.entries.slice(first, first + Math.max(0, limit)) ?? []) {
      bytes += entry.bytes.length
      if (entries.length > 0 && bytes > bytesMax) break
      entries.push(entry)
    }
    return entries
  }

  async find(ledger: string, ids: readonly EventIdentity[]): Promise<readonly (Seq | undefined)[]> {
    this.#check()
    const seqs = this.#ledgers.get(ledger)?.seqs
    return ids.map(identity => seqs?.get(identityText(identity)))
  }

  async record(digest: string): Promise<Uint8Array | undefined> {
    this.#check()
    return this.#records.get(digest)?.slice()
  }

  async putRecord(digest: string, bytes: Uint8Array): Promise<void> {
    checkDigest(digest)
    if (this.#closed) throw new NotWritten('closed', 'The log is closed.')
    if (!this.#records.has(digest)) this.#records.set(digest, new Uint8Array(bytes))
  }

  async tokens(): Promise<readonly TokenRecord[]> {
    this.#check()
    return [...this.#tokens.values()].sort((a, b) => (a.id < b.id ? -1 : 1))
  }

  async putToken(token: TokenRecord): Promise<void> {
    if (this.#closed) throw new NotWritten('closed', 'The log is closed.')
    this.#tokens.set(token.id, structuredClone(token))
  }

  async close(): Promise<void> {
    this.#closed = true
  }

  #check(): void {
    if (this.#closed) throw new Error('The log is closed.')
  }
}
