import { randomUUID } from 'node:crypto'
import { textOf, utf8 } from '../../base/bytes.ts'
import type { ViewChange } from '../../projections/store.ts'
import type { KafkaRecord, NewRecord, Place } from './client.ts'

/** What one step of the state view changes in a ledger. */
export interface StateStep {
  readonly ledger: string
  /** Last seq folded; -1 says that the view of this ledger begins anew. */
  readonly position: number
  /** Shape of the rows. */
  readonly version: number
  /** In their order; of a key that is changed twice, the last counts. */
  readonly changes: readonly ViewChange[]
}

/** Between ledger and key of a row, which no name of a ledger holds. */
const between = '\n'
/** Key of the row that says how far the ledger's rows are folded. */
const positionKey = ''

/**
 * How steps stand in the state topic, which keeps the newest record of each key; several make one transaction:
 *
 * - a record a row, key: ledger, line feed, key of the row; value: the row, or none where it is taken away;
 * - last of the step, key: ledger, line feed; value: JSON `{"position","version"}`;
 * - header `version` on each: the shape that the row is of. Rows of two shapes stand in the topic for a while when the
 *   second is written, and their keys are partly the same.
 *
 * A step that ends where the ledger's last one ended mends rows. A record under the key `#name`, the first that an owner
 * writes, names the partition.
 */
export function stateRecords(place: Place, steps: readonly StateStep[]): NewRecord[] {
  return steps.flatMap(({ ledger, position, version, changes }) => {
    const headers = { version: utf8(String(version)) }
    const newest = new Map(changes.map(({ key, value }) => [key, value]))
    const rows = Array.from(newest, ([key, value]): NewRecord => {
      const record = { ...place, key: ledger + between + key, headers }
      return value === undefined ? { ...record, value: noBytes, isTombstone: true } : { ...record, value }
    })
    const value = utf8(JSON.stringify({ position, version }))
    return [...rows, { ...place, key: ledger + between + positionKey, value, headers }]
  })
}

const noBytes = new Uint8Array(0)

/** Key of the record that names a partition of the topic. */
const nameKey = '#name'

/** Names the partition by a number that no other one has, so that a topic made in its place is not taken for it. Written once. */
export const nameRecord = (place: Place): NewRecord => ({
  ...place,
  key: nameKey,
  value: utf8(randomUUID()),
  headers: {},
})

/** The name that a record gives its partition, if it does. */
export const nameIn = ({ key, value }: KafkaRecord): string | undefined => (key === nameKey ? textOf(value) : undefined)

/** Ledger and row that a key of the topic stands for; `undefined` for one that no follower wrote. */
export function stateKey(key: string): { readonly ledger: string; readonly row: string } | undefined {
  const at = key.indexOf(between)
  return at < 1 ? undefined : { ledger: key.slice(0, at), row: key.slice(at + 1) }
}

/** Whether a row of the view, and not its position. */
export const isRow = (row: string): boolean => row !== positionKey

/**
 * Puts the steps of one partition together again: what stands before the position of a ledger, up to the one before, belongs
 * to it. Where the topic was compacted in between that is several steps in one, with the same outcome. Rows of another
 * version are passed over, and so is what no follower wrote; of steps of another version the position alone is told.
 */
export class StateReader {
  readonly #version: number
  readonly #text: string
  readonly #open = new Map<string, Map<string, Uint8Array | undefined>>()

  constructor(version: number) {
    this.#version = version
    this.#text = String(version)
  }

  /** Whether the records so far end in the middle of a step. */
  get isOpen(): boolean {
    return this.#open.size > 0
  }

  /** The step that `record` completes, if it does. */
  take({ key, value, isTombstone, headers }: KafkaRecord): StateStep | undefined {
    const found = stateKey(key)
    if (found === undefined) return undefined
    const { ledger, row } = found
    if (isRow(row)) {
      if (textOf(headers['version'] ?? noBytes) !== this.#text) return undefined
      const rows = this.#open.get(ledger) ?? new Map<string, Uint8Array | undefined>()
      this.#open.set(ledger, rows.set(row, isTombstone === true ? undefined : value))
      return undefined
    }
    const end = parsePosition(value)
    if (end === undefined) return undefined
    const rows = this.#open.get(ledger) ?? []
    this.#open.delete(ledger)
    const isOwn = end.version === this.#version && end.position >= 0
    return { ledger, ...end, changes: isOwn ? Array.from(rows, ([key, value]) => ({ key, value })) : [] }
  }
}

function parsePosition(value: Uint8Array): Pick<StateStep, 'position' | 'version'> | undefined {
  try {
    const { position, version } = JSON.parse(textOf(value) ?? '') as StateStep
    if (Number.isSafeInteger(position) && position >= -1 && Number.isSafeInteger(version)) return { position, version }
  } catch {}
  return undefined
}
