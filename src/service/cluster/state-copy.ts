import { setTimeout as sleep } from 'node:timers/promises'
import { textOf } from '../../base/bytes.ts'
import type { KafkaRecord } from '../../log/kafka/client.ts'
import { nameIn, StateReader, type StateStep } from '../../log/kafka/state-records.ts'
import type { ViewChange, ViewStore } from '../../projections/store.ts'
import { row, stateVersion, stateView } from '../state-rows.ts'

export interface StateCopyOptions {
  readonly store: ViewStore
  readonly partitions: number
  /** Last seq of a ledger in the replica; -1 before the first. */
  readonly headOf: (ledger: string) => number
  /** Shape of the rows that are taken. */
  readonly version?: number
  /** Rows of a partition that are held in memory at most; 50,000. */
  readonly heldMax?: number
  /** Rows of a ledger changed though its position did not: nothing that was remembered of them holds. */
  readonly onMended?: (ledger: string) => void
}

/** How far the topic has the rows of a ledger, and in which shape. */
export interface TopicPosition {
  readonly position: number
  readonly version: number
}

interface Place {
  /** Offset to go on from after a start: all before it is in the rows. Saved late, so that what is saved lags. */
  kept: number
  /** Offset that is read next. */
  read: number
  /** Offset that has to be read before rows are whole again; `undefined` once it was. */
  due: number | undefined
  reader: StateReader
  /** Steps that were read before that, of each ledger together. */
  readonly early: Map<string, StateStep & { readonly rows: Map<string, Uint8Array | undefined> }>
  /** Rows in these. */
  held: number
}

/** The record that names a partition, and where it stands. */
interface PartitionName {
  readonly name: string
  readonly offset: number
}

/** Where the copy notes in the view what it has read of the topic: it is lost with the rows. No ledger has such a name. */
const notes = '#topic'
const saveMs = 1_000
const retryMs = 1_000
const replicaMs = 10
/** How long it waits for its replica before that is trouble. */
const replicaMsMax = 10_000
const heldMaxDefault = 50_000

/**
 * The state topic as this process keeps it: its rows in the process's own view store, whole steps only, and none of entries
 * that its replica has not yet. Where reading begins, the topic may have been compacted in the middle of a step: what is read
 * is then held until all is there that was there when it began. It is held in memory; where that is too much, in the place of
 * the ledger's rows, which count as none until then.
 */
export class StateCopy {
  readonly #options: StateCopyOptions
  readonly #version: number
  readonly #places: readonly Place[]
  readonly #at = new Map<string, TopicPosition>()
  readonly #names = new Map<number, PartitionName>()
  /** Ledgers whose rows in the store are not all of one position. */
  readonly #partial = new Set<string>()
  readonly #turns = new Map<string, Promise<unknown>>()
  readonly #unsaved = new Set<string>()
  #waiting: { ledger: string; seq: number; done: (reached: boolean) => void }[] = []
  #savedAtMs = 0
  #trouble: unknown
  #isClosed = false

  constructor(options: StateCopyOptions) {
    this.#options = options
    this.#version = options.version ?? stateVersion
    const { store, partitions } = options
    const kept = new Map<number, number>()
    for (const [key, value] of store.range(stateView, notes, { limit: Number.POSITIVE_INFINITY })) {
      const noted: unknown = JSON.parse(textOf(value) ?? '')
      const name = key.slice(2)
      if (key.startsWith('p/')) kept.set(Number(name), noted as number)
      else if (key.startsWith('n/')) this.#names.set(Number(name), noted as PartitionName)
      else if (key.startsWith('x/')) this.#partial.add(name)
      else this.#at.set(name, noted as TopicPosition)
    }
    this.#places = Array.from({ length: partitions }, (_, number) => {
      const offset = kept.get(number) ?? 0
      return {
        kept: offset,
        read: offset,
        due: undefined,
        reader: new StateReader(this.#version),
        early: new Map(),
        held: 0,
      }
    })
  }

  get version(): number {
    return this.#version
  }

  /** What keeps rows from being kept now. */
  get trouble(): unknown {
    return this.#trouble
  }

  /** Offset up to which a partition was read. */
  offset(partition: number): number {
    return this.#place(partition).read
  }

  /** How far the topic has a ledger's rows; `undefined` before its first. */
  at(ledger: string): TopicPosition | undefined {
    return this.#at.get(ledger)
  }

  /** Last seq of which all rows are here; -1 before the first. */
  position(ledger: string): number {
    return this.#partial.has(ledger) ? -1 : this.#options.store.position(stateView, ledger)
  }

  /** What a partition is known by; `undefined` where nobody has named it, as far as it was read. */
  name(partition: number): PartitionName | undefined {
    return this.#names.get(partition)
  }

  /** Before a partition is read, up to `end` at least: the offset to read from. */
  begin(partition: number, end: number): number {
    const place = this.#place(partition)
    place.reader = new StateReader(this.#version)
    place.early.clear()
    place.held = 0
    place.read = place.kept
    place.due = end > place.kept ? end : undefined
    return place.kept
  }

  /** The partition is to be read from `low` on, as if nothing had been read of it; that is noted when it resolves. Rows stay. */
  async forget(partition: number, ledgers: Iterable<string>, low: number): Promise<void> {
    this.#keep(partition, low)
    this.#names.delete(partition)
    this.#unsaved.add(`n/${partition}`)
    for (const ledger of ledgers) {
      if (this.#partial.has(ledger)) await this.reset(ledger)
      this.#at.delete(ledger)
      this.#unsaved.add(`l/${ledger}`)
    }
    await this.#save()
  }

  /** Records as they are read; `next` is the offset to go on from. */
  async take(partition: number, records: readonly KafkaRecord[], next: number): Promise<void> {
    const place = this.#place(partition)
    const { reader } = place
    for (const record of records) {
      if (record.offset < place.read) continue
      const name = nameIn(record)
      if (name !== undefined && !this.#names.has(partition)) {
        this.#names.set(partition, { name, offset: record.offset })
        this.#unsaved.add(`n/${partition}`)
      }
      const step = reader.take(record)
      if (step === undefined) continue
      if (place.due === undefined) await this.#apply(step)
      else await this.#hold(place, step)
      // It was begun anew meanwhile.
      if (place.reader !== reader) return
    }
    if (place.due !== undefined && next >= place.due) {
      for (const { rows, ...step } of place.early.values()) await this.#apply({ ...step, changes: changesOf(rows) })
      place.early.clear()
      place.held = 0
      place.due = undefined
    }
    place.read = next
    if (place.due === undefined && !reader.isOpen) this.#keep(partition, next)
    await this.#saveNowAndThen()
  }

  /** Steps that this process wrote, which stand in the topic up to `end`. Nobody else reads the partition meanwhile. */
  async keepOwn(partition: number, steps: readonly StateStep[], end: number): Promise<void> {
    for (const step of steps) await this.#apply(step)
    this.#place(partition).read = end
    this.#keep(partition, end)
    await this.#saveNowAndThen()
  }

  /** Forgets the rows of a ledger, which are to be folded anew, or read anew: then `forget` goes before it. */
  async reset(ledger: string): Promise<void> {
    await this.inTurn(ledger, () => this.#options.store.reset(stateView, ledger))
    if (this.#partial.delete(ledger)) this.#unsaved.add(`x/${ledger}`)
  }

  /** Work on the rows of a ledger, one after the other; then whoever waits for them is told. */
  inTurn(ledger: string, work: () => Promise<void>): Promise<void> {
    const turn = (this.#turns.get(ledger) ?? Promise.resolve()).then(work).then(() => this.#tell(ledger))
    const settled = turn.catch(() => {})
    this.#turns.set(ledger, settled)
    return turn
  }

  /** Resolves true when the rows are folded up to `seq`, false after `timeoutMs`. */
  async reached(ledger: string, seq: number, timeoutMs: number): Promise<boolean> {
    if (this.position(ledger) >= seq) return true
    if (timeoutMs <= 0 || this.#isClosed) return false
    return new Promise(resolve => {
      const done = (reached: boolean): void => {
        clearTimeout(timer)
        this.#waiting = this.#waiting.filter(other => other !== waiter)
        resolve(reached)
      }
      const waiter = { ledger, seq, done }
      const timer = setTimeout(() => done(false), timeoutMs)
      this.#waiting.push(waiter)
    })
  }

  /** Takes nothing more. */
  async close(): Promise<void> {
    this.#isClosed = true
    for (const waiter of this.#waiting.splice(0)) waiter.done(false)
    await Promise.all(this.#turns.values())
    await this.#save()
  }

  /** Keeps a step with those of its ledger that were read before it. */
  async #hold(place: Place, step: StateStep): Promise<void> {
    const { ledger, position, version, changes } = step
    const before = place.early.get(ledger)
    // What was said in another shape, or before the rows were begun anew, counts no more.
    const isAnew = before === undefined || position < 0 || before.version !== version
    if (isAnew && this.#partial.has(ledger) && (before !== undefined || position < 0)) await this.reset(ledger)
    if (isAnew) place.held -= before?.rows.size ?? 0
    const rows = isAnew ? new Map<string, Uint8Array | undefined>() : before.rows
    place.held -= rows.size
    for (const { key, value } of changes) rows.set(key, value)
    place.held += rows.size
    place.early.set(ledger, { ...step, rows })
    if (place.held > (this.#options.heldMax ?? heldMaxDefault)) await this.#spill(place)
  }

  /** Puts the rows that are held over those of before, which count as none until all are there. */
  async #spill(place: Place): Promise<void> {
    const { store } = this.#options
    for (const [ledger, { rows, version }] of place.early) {
      if (rows.size === 0 || version !== this.#version) continue
      if (!this.#partial.has(ledger)) {
        this.#partial.add(ledger)
        this.#unsaved.add(`x/${ledger}`)
        await this.#save()
      }
      await store.commit(stateView, ledger, Math.max(0, store.position(stateView, ledger)), changesOf(rows))
      rows.clear()
    }
    place.held = 0
  }

  async #apply(step: StateStep): Promise<void> {
    const { ledger, position, version, changes } = step
    // A step that ends where the last one ended mends rows. Read twice, the last one says what it said.
    if (version === this.#version && position >= Math.max(0, this.position(ledger))) {
      await this.#untilReplicated(ledger, position)
      await this.#untilCommitted(ledger, position, changes)
    }
    this.#at.set(ledger, { position, version })
    this.#unsaved.add(`l/${ledger}`)
  }

  /** A view that knew more than the log beside it would be taken for the view of another one. */
  async #untilReplicated(ledger: string, position: number): Promise<void> {
    const sinceMs = performance.now()
    while (this.#options.headOf(ledger) < position) {
      if (this.#isClosed) throw new Error('The copy of the state topic is closed.')
      if (performance.now() > sinceMs + replicaMsMax)
        this.#trouble = new Error(`The state topic knows ${ledger} up to ${position}, and the replica here does not.`)
      await sleep(replicaMs)
    }
  }

  async #untilCommitted(ledger: string, position: number, changes: readonly ViewChange[]): Promise<void> {
    const { store } = this.#options
    for (;;) {
      try {
        await this.inTurn(ledger, async () => {
          const before = this.position(ledger)
          if (position >= before) await store.commit(stateView, ledger, position, changes)
          const wasPartial = this.#partial.delete(ledger)
          if (wasPartial) this.#unsaved.add(`x/${ledger}`)
          if (position === before || wasPartial) this.#options.onMended?.(ledger)
        })
        this.#trouble = undefined
        return
      } catch (error) {
        this.#trouble = error
        if (this.#isClosed) throw error
        await sleep(retryMs)
      }
    }
  }

  #keep(partition: number, offset: number): void {
    this.#place(partition).kept = offset
    this.#unsaved.add(`p/${partition}`)
  }

  async #saveNowAndThen(): Promise<void> {
    if (performance.now() < this.#savedAtMs + saveMs) return
    await this.#save().catch(error => {
      this.#trouble = error
    })
  }

  /** What it has read, behind the rows that it has read: a view store keeps the order of commits. */
  async #save(): Promise<void> {
    if (this.#unsaved.size === 0) return
    this.#savedAtMs = performance.now()
    const keys = [...this.#unsaved]
    const changes = keys.map(key => {
      const noted = this.#noted(key[0] ?? '', key.slice(2))
      return noted === undefined ? { key, value: undefined } : row(key, noted)
    })
    this.#unsaved.clear()
    await this.#options.store.commit(stateView, notes, 0, changes).catch(error => {
      for (const key of keys) this.#unsaved.add(key)
      throw error
    })
  }

  #noted(kind: string, name: string): unknown {
    if (kind === 'p') return this.#place(Number(name)).kept
    if (kind === 'n') return this.#names.get(Number(name))
    if (kind === 'x') return this.#partial.has(name) ? true : undefined
    return this.#at.get(name)
  }

  #tell(ledger: string): void {
    const position = this.position(ledger)
    for (const waiter of this.#waiting) if (waiter.ledger === ledger && waiter.seq <= position) waiter.done(true)
  }

  #place(partition: number): Place {
    const place = this.#places[partition]
    if (place === undefined) throw new RangeError(`There is no partition ${partition}.`)
    return place
  }
}

const changesOf = (rows: ReadonlyMap<string, Uint8Array | undefined>): ViewChange[] =>
  Array.from(rows, ([key, value]) => ({ key, value }))
