import { createHash, createPublicKey, type KeyObject, verify } from 'node:crypto'
import type { TopicRecord } from './topic.ts'

/**
 * What was answered, what the topic holds, and where the two do not agree. Written apart from the product: it knows the
 * JSON of an entry and of an answer, makes leaf hashes and checks signatures itself.
 */

/** One answer to one event. */
export interface Answer {
  readonly ledger: string
  readonly source: string
  readonly id: string
  readonly status: string
  readonly seq: number
  readonly leafHash: string
}

interface Place {
  readonly seq: number
  readonly leafHash: string
}

const identityOf = ({ ledger, source, id }: Pick<Answer, 'ledger' | 'source' | 'id'>): string =>
  `${ledger} ${source} ${id}`

export const leafHashOf = (bytes: Uint8Array): string =>
  createHash('sha256').update(Uint8Array.of(0)).update(bytes).digest('hex')

/** Answers as they come, each held against those before it. */
export class Answers {
  readonly #first = new Map<string, Place>()
  readonly #created = new Set<string>()
  readonly #unchecked: Answer[] = []
  readonly #report: (fault: string) => void
  created = 0
  duplicates = 0

  constructor(report: (fault: string) => void) {
    this.#report = report
  }

  add(answer: Answer): void {
    const identity = identityOf(answer)
    const { status, seq, leafHash } = answer
    if (status !== 'created' && status !== 'duplicate') {
      this.#report(`${identity} was answered ${status}`)
      return
    }
    if (status === 'created') {
      this.created += 1
      if (this.#created.has(identity)) this.#report(`${identity} was answered created twice`)
      this.#created.add(identity)
    } else this.duplicates += 1
    const first = this.#first.get(identity)
    if (first === undefined) {
      this.#first.set(identity, { seq, leafHash })
      this.#unchecked.push(answer)
    } else if (first.seq !== seq || first.leafHash !== leafHash)
      this.#report(`${identity} was answered seq ${first.seq} first and seq ${seq} later`)
  }

  /** Answers that came since this was asked before. */
  takeUnchecked(): readonly Answer[] {
    return this.#unchecked.splice(0)
  }

  *all(): Generator<[identity: string, place: Place]> {
    yield* this.#first
  }
}

interface Chain {
  seq: number
  prev: string
  recordedAt: string
}

/** What a topic was read to hold, held against the rules of a ledger record by record. */
export class Chains {
  readonly #chains = new Map<string, Chain>()
  readonly #places = new Map<string, Place>()
  readonly #last = new Map<string, number>()
  readonly #partitions = new Map<string, number>()
  readonly #key: KeyObject
  readonly #report: (fault: string) => void
  entries = 0

  constructor(publicHex: string, report: (fault: string) => void) {
    const spki = Buffer.from(`302a300506032b6570032100${publicHex}`, 'hex')
    this.#key = createPublicKey({ key: spki, format: 'der', type: 'spki' })
    this.#report = report
  }

  take({ partition, offset, key, value, signature }: TopicRecord): void {
    // How far intake is placed, and no entry.
    if (key === '#intake') return
    this.entries += 1
    const entry = JSON.parse(value.toString()) as {
      readonly ledger: string
      readonly seq: number
      readonly prev: string
      readonly recorded_at: string
      readonly event: { readonly source: string; readonly id: string }
    }
    const { ledger, seq, prev, recorded_at, event } = entry
    const where = `${ledger} seq ${seq} (partition ${partition}, offset ${offset})`
    const chain = this.#chains.get(ledger) ?? { seq: -1, prev: '0'.repeat(64), recordedAt: '' }
    if (key !== ledger) this.#report(`${where} stands under the key ${key}`)
    if ((this.#partitions.get(ledger) ?? partition) !== partition) this.#report(`${where} is in another partition`)
    if (seq !== chain.seq + 1) this.#report(`${where} where seq ${chain.seq + 1} is due`)
    if (prev !== chain.prev) this.#report(`${where} does not follow the entry before`)
    if (recorded_at < chain.recordedAt) this.#report(`${where} was recorded before the entry before`)
    if (!verify(null, preAuthentication(value), this.#key, signature)) this.#report(`${where} is not signed`)
    const leafHash = leafHashOf(value)
    this.#chains.set(ledger, { seq, prev: leafHash, recordedAt: recorded_at })
    this.#partitions.set(ledger, partition)
    const identity = identityOf({ ledger, ...event })
    const other = this.#places.get(identity)
    if (other !== undefined) this.#report(`${identity} stands at seq ${other.seq} and at seq ${seq}`)
    this.#places.set(identity, { seq, leafHash })
    this.#checkOrder(ledger, event.source, event.id)
  }

  /** An emitter numbers its events, and sends a batch when the one before was answered. */
  #checkOrder(ledger: string, source: string, id: string): void {
    if (!source.startsWith(emitterPrefix)) return
    const stream = `${ledger} ${source}`
    const number = Number(id)
    if ((this.#last.get(stream) ?? -1) >= number) this.#report(`${stream} ${id} is out of its emitter's order`)
    this.#last.set(stream, number)
  }

  /** Holds an answer against what was read; whether its entry was read already. */
  holds(identity: string, { seq, leafHash }: Place): boolean {
    const found = this.#places.get(identity)
    if (found === undefined) return false
    if (found.seq !== seq || found.leafHash !== leafHash)
      this.#report(`${identity} stands at seq ${found.seq}, and its receipt says seq ${seq}`)
    return true
  }

  has(answer: Answer): boolean {
    return this.holds(identityOf(answer), answer)
  }

  /** Each ledger's head, as one text. */
  get heads(): ReadonlyMap<string, string> {
    return new Map([...this.#chains].map(([ledger, { seq, prev }]) => [ledger, `${seq}:${prev}`]))
  }
}

/** Sources of emitters begin so, and their ids are numbers that grow. */
export const emitterPrefix = 'urn:faults:emitter:'

const payloadType = 'application/vnd.aep-ledger.entry+json'

/** PAE of DSSE v1. */
function preAuthentication(bytes: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`DSSEv1 ${payloadType.length} ${payloadType} ${bytes.length} `), bytes])
}
