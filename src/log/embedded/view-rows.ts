import { randomBytes } from 'node:crypto'
import { openRoot, type Root, type Store } from './lmdb.ts'

/** The stores of the view environment: `versions` by view, `ledgers` (their numbers) by name, and one store a view. */
export interface ViewEnvironment {
  readonly root: Root
  readonly versions: Store<Uint8Array>
  readonly ledgers: Store<Uint8Array>
  readonly views: Map<string, Store<Uint8Array>>
  /** What stands for a ledger in keys: those in `ledgers`, and those given since but perhaps not committed yet. */
  readonly numbers: Map<string, number>
}

/** Pages of this size take keys of 4,026 bytes; LMDB's usual ones take 1,978. */
export const viewPageBytes = 8_192
const viewsMax = 60

export function openEnvironment(folder: string, mapBytes: number): ViewEnvironment {
  const options = { mapBytes, pageBytes: viewPageBytes, readOnly: false, storesMax: viewsMax + 2, lazyMeta: true }
  const root = openRoot(folder, options)
  const versions = openStore(root, 'versions')
  const ledgers = openStore(root, 'ledgers')
  const views = new Map([...named(versions)].map(([view]) => [view, openStore(root, `view:${view}`)]))
  const numbers = new Map([...named(ledgers)].map(([ledger, value]) => [ledger, Buffer.from(value).readUInt32BE(0)]))
  return { root, versions, ledgers, views, numbers }
}

function* named(store: Store<Uint8Array>): Generator<[name: string, value: Uint8Array]> {
  for (const { key, value } of store.getRange({ start: Buffer.of(0) })) yield [text.decode(key), value]
}

function openStore(root: Root, name: string): Store<Uint8Array> {
  const store = root.openDB({ name, encoding: 'binary', keyEncoding: 'binary' })
  if (store === undefined) throw new Error(`The view store has no ${name}.`)
  return store
}

/** The store of a view, made where it is missing. Only while no transaction runs: making one is a transaction. */
export function storeFor({ root, views }: ViewEnvironment, view: string): Store<Uint8Array> {
  const store = views.get(view) ?? openStore(root, `view:${view}`)
  views.set(view, store)
  return store
}

/** The number of a ledger; a new one is given the next. */
export function numberFor({ numbers }: ViewEnvironment, ledger: string): number {
  const number = numbers.get(ledger) ?? 1 + Math.max(-1, ...numbers.values())
  numbers.set(ledger, number)
  return number
}

/** Queues what `storeFor` and `numberFor` have made up, where it isn't there yet; belongs into the commit that uses it. */
export function putNames({ versions, ledgers, numbers }: ViewEnvironment, view: string, ledger: string): void {
  if (!versions.doesExist(Buffer.from(view))) void versions.put(Buffer.from(view), Buffer.from('none'))
  if (!ledgers.doesExist(Buffer.from(ledger))) void ledgers.put(Buffer.from(ledger), u32(numbers.get(ledger) ?? 0))
}

/** The rows of one ledger in a view. */
export interface LedgerRows {
  readonly store: Store<Uint8Array>
  /** What stands for the ledger in keys. */
  readonly number: number
  /** The position record: seq u48, then bytes that no other commit has. */
  readonly position: Uint8Array
}

/** `undefined` when the view has nothing of the ledger. */
export function ledgerRows(environment: ViewEnvironment, view: string, ledger: string): LedgerRows | undefined {
  const store = environment.views.get(view)
  const number = environment.numbers.get(ledger)
  if (store === undefined || number === undefined) return undefined
  const position = store.getBinary(positionKey(number))
  return position === undefined ? undefined : { store, number, position }
}

export const positionOf = ({ position }: LedgerRows): number => Buffer.from(position).readUIntBE(0, 6)

const text = new TextDecoder()

/** Where a ledger's position stands: before its rows. */
export const positionKey = (number: number): Uint8Array => Buffer.concat([u32(number), Buffer.of(0)])

export function rowKey(number: number, key: Uint8Array): Uint8Array {
  const bytes = Buffer.allocUnsafe(5 + key.length)
  bytes.writeUInt32BE(number)
  bytes[4] = 1
  bytes.set(key, 5)
  return bytes
}

export const keyText = (key: Uint8Array): string => text.decode(key.subarray(5))

/** The least key after `key`. */
export const afterKey = (key: Uint8Array): Uint8Array => Buffer.concat([key, Buffer.of(0)])

export function positionValue(position: number): Buffer {
  const value = randomBytes(12)
  value.writeUIntBE(position, 0, 6)
  return value
}

function u32(number: number): Uint8Array {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(number)
  return bytes
}
