import { hash } from 'node:crypto'
import { fromHex } from '../../base/bytes.ts'
import type { Head, Seq, StoredEntry } from '../../ledger/entry.ts'
import { emptyHead } from '../../ledger/seal.ts'
import type { ViewStore } from '../../projections/store.ts'
import { batchFault, signatureBytes } from '../check-batch.ts'
import { type ControlStore, type TokenRecord, tokenPrefix } from '../control.ts'
import { type AppendBatch, type EventIdentity, type LedgerLog, LogUnreadable, NotWritten } from '../port.ts'
import { backup } from './backup.ts'
import type { Commits } from './commits.ts'
import { allHeads, type Environment, type HeadRecord, headOf, headValue } from './environment.ts'
import { identityKey, seqValue } from './keys.ts'
import type { WriterLock } from './lock.ts'
import { EnvironmentReader, seqAt } from './reading.ts'
import type { Views } from './views.ts'

/** What the log in a data folder can do, and the views beside it. */
export interface EmbeddedLog extends LedgerLog, ControlStore {
  readonly views: ViewStore
  /** Copies the log as it is now into `folder`, which must be new or empty and is a data folder then. Writing goes on. */
  backup(folder: string): Promise<void>
  /** Forgets readers whose process died without saying so, and returns how many; they keep old pages from being used again. */
  clearReaders(): number
}

export interface LogParts {
  readonly commits: Commits<Environment>
  readonly views: Views
  readonly lock: WriterLock
}

/** The log in its LMDB environment, opened for writing: see the port for what it promises. */
export class Log implements EmbeddedLog {
  readonly views: ViewStore
  readonly #parts: LogParts
  readonly #commits: Commits<Environment>
  readonly #reader: EnvironmentReader
  /** Last append of each ledger that has one under way. */
  readonly #turns = new Map<string, Promise<void>>()
  #nextId: number
  #closed: Promise<void> | undefined

  constructor(parts: LogParts) {
    this.#parts = parts
    this.#commits = parts.commits
    this.views = parts.views
    this.#reader = new EnvironmentReader(() => this.#commits.certainEnvironment())
    this.#nextId = 1 + checkHeads(this.#commits.environment())
  }

  append(batch: AppendBatch): Promise<void> {
    const fault = batchFault(batch)
    if (fault !== undefined) return Promise.reject(new NotWritten('failed', fault))
    const before = this.#turns.get(batch.ledger) ?? Promise.resolve()
    const turn = before.then(() => this.#append(batch))
    const settled = turn.catch(() => {})
    this.#turns.set(batch.ledger, settled)
    return turn.finally(() => {
      if (this.#turns.get(batch.ledger) === settled) this.#turns.delete(batch.ledger)
    })
  }

  async #append({ ledger, entries, ids, after, head }: AppendBatch): Promise<void> {
    const key = Buffer.from(ledger)
    const values = packValues(entries)
    const made = await this.#commits.commit({
      bytes: growthOf(entries),
      isThere: ({ heads }) => headOf(heads, ledger)?.leafHash === head.leafHash,
      write: environment => {
        const found = headOf(environment.heads, ledger)
        checkHead(ledger, after, found)
        const id = found?.id ?? this.#nextId++
        const keys = ids.map(identity => identityKey(id, identity))
        if (found !== undefined) checkIdentities(environment, keys, ids)
        const record = { id, seq: head.seq, leafHash: head.leafHash, recordedAt: head.recordedAt }
        // Nothing from here on may throw: what is queued is committed.
        const puts = (): void => {
          for (const [n, { seq }] of entries.entries()) {
            void environment.entries.put({ ledger: id, seq }, values[n] ?? nothing)
            void environment.identities.put(keys[n] ?? nothing, seqValue(seq))
          }
          void environment.heads.put(key, headValue(record), head.seq + 1)
        }
        return found === undefined
          ? environment.heads.ifNoExists(key, puts)
          : environment.heads.ifVersion(key, after.seq + 1, puts)
      },
    })
    // Seen by LMDB's own condition, inside the transaction: somebody writes past the lock.
    if (!made)
      throw new NotWritten('head-moved', `The head of ${ledger} moved while it was written: another writer is there.`)
  }

  async putRecord(digest: string, bytes: Uint8Array): Promise<void> {
    const key = fromHex(digest)
    if (key?.length !== 32) throw new RangeError(`A record's digest is 64 lower-case hex digits: ${digest}.`)
    const value = new Uint8Array(bytes)
    await this.#commits.commit({
      bytes: value.length + overheadBytes,
      isThere: ({ records }) => records.doesExist(key),
      write: ({ records }) => (records.doesExist(key) ? Promise.resolve(true) : records.put(key, value)),
    })
  }

  tokens(): Promise<readonly TokenRecord[]> {
    return this.#reader.tokens()
  }

  async putToken(token: TokenRecord): Promise<void> {
    const key = Buffer.from(`${tokenPrefix}${token.id}`)
    const value = Buffer.from(JSON.stringify(token))
    await this.#commits.commit({
      bytes: overheadBytes,
      isThere: ({ control }) => value.equals(control.getBinary(key) ?? nothing),
      write: ({ control }) => control.put(key, value),
    })
  }

  ledgers(): Promise<readonly string[]> {
    return this.#reader.ledgers()
  }

  head(ledger: string): Promise<Head | undefined> {
    return this.#reader.head(ledger)
  }

  read(ledger: string, from: number, limit: number, bytesMax?: number): Promise<readonly StoredEntry[]> {
    return this.#reader.read(ledger, from, limit, bytesMax)
  }

  find(ledger: string, ids: readonly EventIdentity[]): Promise<readonly (Seq | undefined)[]> {
    return this.#reader.find(ledger, ids)
  }

  record(digest: string): Promise<Uint8Array | undefined> {
    return this.#reader.record(digest)
  }

  async backup(folder: string): Promise<void> {
    await backup((await this.#commits.certainEnvironment()).root, folder)
  }

  clearReaders(): number {
    return this.#commits.environment().root.readerCheck()
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    await Promise.all(this.#turns.values())
    await this.#commits.close()
    await this.#parts.views.close()
    this.#parts.lock.release()
  }
}

const nothing = new Uint8Array(0)
const overheadBytes = 64 * 4_096

/** Signature and bytes of every entry, in one piece of memory: lmdb asks for its address once. */
function packValues(entries: readonly StoredEntry[]): Uint8Array[] {
  const packed = new Uint8Array(entries.reduce((sum, { bytes }) => sum + signatureBytes + bytes.length, 0))
  let at = 0
  return entries.map(({ bytes, signature }) => {
    const from = at
    packed.set(signature, from)
    packed.set(bytes, from + signatureBytes)
    at += signatureBytes + bytes.length
    return packed.subarray(from, at)
  })
}

/** Growth of the file at most: entries on pages of their own, and for every identity a leaf copied and one split off. */
const growthOf = (entries: readonly StoredEntry[]): number =>
  entries.reduce((sum, { bytes }) => sum + bytes.length + signatureBytes + 3 * 4_096, overheadBytes)

function checkHead(ledger: string, after: AppendBatch['after'], found: HeadRecord | undefined): void {
  const { seq, leafHash } = found ?? emptyHead
  if (seq === after.seq && leafHash === after.leafHash) return
  throw new NotWritten(
    'head-moved',
    `The head of ${ledger} is at seq ${seq}, not at the ${after.seq} that the batch follows.`,
  )
}

function checkIdentities(environment: Environment, keys: readonly Uint8Array[], ids: readonly EventIdentity[]): void {
  for (const [n, key] of keys.entries()) {
    const seq = seqAt(environment, key)
    if (seq !== undefined) throw new NotWritten('failed', `The event ${JSON.stringify(ids[n])} has seq ${seq} already.`)
  }
}

/** Sees that each ledger ends where its head says; returns the highest number of a ledger. */
function checkHeads({ heads, entries }: Environment): number {
  let highest = 0
  for (const [ledger, head] of allHeads(heads)) {
    highest = Math.max(highest, head.id)
    const [last, more] = entries.getRange({
      start: { ledger: head.id, seq: head.seq },
      end: { ledger: head.id + 1, seq: 0 },
    })
    const leafHash = last === undefined ? '' : hash('sha256', Buffer.concat([Buffer.of(0), last.value.bytes]), 'hex')
    if (last?.key.seq !== head.seq || leafHash !== head.leafHash || more !== undefined) {
      throw new LogUnreadable(
        `${ledger} does not end at seq ${head.seq} with the entry that its head names. See aep-ledger verify.`,
      )
    }
  }
  return highest
}
