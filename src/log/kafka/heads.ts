import { setTimeout as sleep } from 'node:timers/promises'
import { LogUnreadable } from '../port.ts'
import { type KafkaRecord, type Place, placeText } from './client.ts'

/** Where a ledger ends, as the heads topic says. */
interface WrittenHead {
  readonly seq: number
  readonly leafHash: string
}

/**
 * The newest head of each ledger of one partition of the heads topic, as it is followed: whoever takes a partition over waits
 * for the last of it, and reads nothing again.
 */
export class Heads {
  readonly place: Place
  readonly #newest = new Map<string, KafkaRecord>()
  #next = 0
  #why: unknown

  constructor(place: Place) {
    this.place = place
  }

  /** Ledgers and their heads. Throws `LogUnreadable` at a record that says nothing of a head. */
  *[Symbol.iterator](): Iterator<readonly [ledger: string, head: WrittenHead]> {
    for (const [ledger, record] of this.#newest) yield [ledger, this.#headIn(record)]
  }

  #headIn({ offset, key, value }: KafkaRecord): WrittenHead {
    try {
      const { seq, leaf_hash } = JSON.parse(Buffer.from(value).toString()) as { seq: unknown; leaf_hash: unknown }
      if (Number.isSafeInteger(seq) && typeof leaf_hash === 'string') return { seq: Number(seq), leafHash: leaf_hash }
    } catch {}
    throw new LogUnreadable(
      `${placeText(this.place)} holds at offset ${offset}, under the key ${JSON.stringify(key)}, what is no head of a ledger. ` +
        'See who else may write there, run aep-ledger verify over the ledger topic, and write a record without a value under this key.',
    )
  }

  get isStopped(): boolean {
    return this.#why !== undefined
  }

  /** Records in their order; `next` is the offset behind them. */
  take(records: readonly KafkaRecord[], next: number): void {
    for (const record of records) {
      if (record.isTombstone === true) this.#newest.delete(record.key)
      else this.#newest.set(record.key, record)
    }
    this.#next = next
  }

  /** It can't be followed any further. */
  stop(why: unknown): void {
    this.#why = why
  }

  /** Before it is read anew from the beginning. */
  begin(): void {
    this.#newest.clear()
    this.#next = 0
    this.#why = undefined
  }

  /** Resolves when all before the offset `end` is known; throws what stopped it, and where nothing came for long. */
  async reached(end: number): Promise<void> {
    let before = -1
    for (let untilMs = 0; this.#next < end; await sleep(lookMs)) {
      if (this.#why instanceof LogUnreadable) throw this.#why
      if (this.isStopped)
        throw new LogUnreadable(`${placeText(this.place)} can't be followed: ${String(this.#why)}`, this.#why)
      if (this.#next > before) untilMs = performance.now() + waitMsMax
      before = this.#next
      if (performance.now() > untilMs)
        throw new Error(`${placeText(this.place)} is read no further than to ${before} of ${end}.`)
    }
  }
}

const lookMs = 5
/** How long nothing may come of what is there. */
const waitMsMax = 10_000
