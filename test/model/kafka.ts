import { begins, type Chain, prevOf } from './chain.ts'

/**
 * What the protocol rests on of Kafka: a partition of the ledger and its partner of the heads, which a transaction reaches by
 * a marker each; and for every transactional id the one producer that may still use it.
 *
 * To have a producer's newest epoch is to be the `holder`: who opens the id takes it from the one before. Records of aborted
 * transactions are left out, for nobody who reads committed ones can see them; so are the offsets that markers take.
 */
export interface Kafka {
  readonly ledger: Log<Written>
  /** Newest heads, each as the chain that ends with it. */
  readonly heads: Log<Chain>
  readonly transactions: readonly Transaction[]
  /** What the ledger topic has lost, and where it stood. */
  readonly cut: { readonly at: number; readonly lost: Log<Written> } | undefined
}

/** A partition; `open` records belong to the transaction of their producer's id, and have no marker yet. */
export type Log<Value> = readonly { readonly id: number; readonly value: Value; readonly open: boolean }[]

/** A record of the ledger topic: an entry, or none in a mark; on the last of a step `next`, the intake offset behind it. */
export interface Written {
  readonly entry: Chain
  readonly next: number | undefined
  /** The head that a mark stands on. */
  readonly on?: Chain
}

/** What a reader of the ledger topic makes of it: the chain, and the intake offset up to which all is placed. */
export interface Known {
  readonly chain: Chain
  readonly next: number
}

/** `asked`: a request to commit is on its way; `decided`: the coordinator has taken it, and markers are due. */
export interface Transaction {
  readonly holder: number | undefined
  readonly phase: 'none' | 'open' | 'asked' | 'decided'
}

export const nothing: Known = { chain: '', next: 0 }

export function emptyKafka(ids: number): Kafka {
  const transactions = Array.from({ length: ids }, () => ({ holder: undefined, phase: 'none' as const }))
  return { ledger: [], heads: [], transactions, cut: undefined }
}

export function transactionOf({ transactions }: Kafka, id: number): Transaction {
  const transaction = transactions[id]
  if (transaction === undefined) throw new Error(`there is no transactional id ${id}`)
  return transaction
}

/**
 * InitProducerId: ends an open transaction of the id, and refuses whoever held it from here on. Where the transaction is
 * decided its markers come first: until then the caller is put off (CONCURRENT_TRANSACTIONS), which is `undefined` here.
 */
export function fence(kafka: Kafka, id: number, holder: number): Kafka | undefined {
  return transactionOf(kafka, id).phase === 'decided' ? undefined : abort(kafka, id, holder)
}

/** The coordinator's own end of a transaction that has been open for too long; its producer is refused afterwards. */
export function timeOut(kafka: Kafka, id: number): Kafka | undefined {
  const { phase } = transactionOf(kafka, id)
  return phase === 'open' || phase === 'asked' ? abort(kafka, id, undefined) : undefined
}

function abort(kafka: Kafka, id: number, holder: number | undefined): Kafka {
  const rest = { ledger: dropOpen(kafka.ledger, id), heads: compact(dropOpen(kafka.heads, id)) }
  return change({ ...kafka, ...rest }, id, { holder, phase: 'none' })
}

/** Sends a step in a transaction. That a part of it arrives is nothing new to those who read what is committed. */
export function send(kafka: Kafka, id: number, step: readonly Written[]): Kafka {
  const open = <Value>(value: Value) => ({ id, value, open: true })
  const head = step.at(-1)?.entry ?? ''
  const heads = head === '' ? kafka.heads : [...kafka.heads, open(head)]
  const sent = { ledger: [...kafka.ledger, ...step.map(open)], heads }
  return change({ ...kafka, ...sent }, id, { ...transactionOf(kafka, id), phase: 'open' })
}

/** Sends a mark outside of any transaction: it is there for everybody at once. */
export function sendBeside(kafka: Kafka, id: number, next: number): Kafka {
  return { ...kafka, ledger: [...kafka.ledger, { id, value: { entry: '', next }, open: false }] }
}

/** A request to commit is on its way: it may arrive as long as nobody else has taken the id. */
export const ask = (kafka: Kafka, id: number): Kafka =>
  change(kafka, id, { ...transactionOf(kafka, id), phase: 'asked' })

/** The commit arrives: from here on nothing undoes it, though nobody sees it yet. */
export const decide = (kafka: Kafka, id: number): Kafka =>
  end(change(kafka, id, { ...transactionOf(kafka, id), phase: 'decided' }), id)

export const isMarked = (log: Log<unknown>, id: number): boolean => !log.some(record => record.id === id && record.open)

export const markLedger = (kafka: Kafka, id: number): Kafka => end({ ...kafka, ledger: mark(kafka.ledger, id) }, id)

export const markHeads = (kafka: Kafka, id: number): Kafka =>
  end({ ...kafka, heads: compact(mark(kafka.heads, id)) }, id)

/** The ledger topic loses its records from index `at` on, as with a leader that had not got them. The heads stay. */
export function cutOff(kafka: Kafka, at: number): Kafka {
  return { ...kafka, ledger: kafka.ledger.slice(0, at), cut: { at, lost: kafka.ledger.slice(at) } }
}

/** Somebody puts back what was lost, before what was written since. */
export function restore(kafka: Kafka): Kafka {
  const { at = 0, lost = [] } = kafka.cut ?? {}
  return { ...kafka, ledger: kafka.ledger.toSpliced(at, 0, ...lost), cut: undefined }
}

/** What a reader of committed records finds in a partition: all before the last stable offset. */
export function visible<Value>(log: Log<Value>): Value[] {
  return log.slice(0, lastStable(log)).map(({ value }) => value)
}

/** What every reader of the ledger will have found some day: records that nothing can undo, and those that were lost. */
export function settled(kafka: Kafka): Written[] {
  const { ledger } = restore(kafka)
  return ledger
    .filter(({ id, open }) => !open || transactionOf(kafka, id).phase === 'decided')
    .map(({ value }) => value)
}

/**
 * What a reader makes of records, step by step: an entry that it has, byte for byte, is dropped; the end of a step whose
 * last record isn't there is none. `undefined` where an entry is another than that which the chain has in its place, or
 * doesn't follow, or a mark stands on one that isn't there: the reader raises an alarm and stops.
 */
export function readerOf(records: readonly Written[]): Known | undefined {
  let known = nothing
  let chain: Chain = ''
  for (const { entry, next, on = '' } of records) {
    if (entry !== '' && prevOf(entry) === chain) chain = entry
    else if (!begins(chain, entry) || !begins(chain, on)) return undefined
    if (next !== undefined) known = { chain, next: Math.max(known.next, next) }
  }
  return known
}

function lastStable(log: Log<unknown>): number {
  const open = log.findIndex(record => record.open)
  return open === -1 ? log.length : open
}

/** The heads' topic keeps the newest record of a key, of those that are stable. */
const compact = (log: Log<Chain>): Log<Chain> => log.slice(Math.max(0, lastStable(log) - 1))

const mark = <Value>(log: Log<Value>, id: number): Log<Value> =>
  log.map(record => (record.id === id ? { ...record, open: false } : record))

const dropOpen = <Value>(log: Log<Value>, id: number): Log<Value> =>
  log.filter(record => record.id !== id || !record.open)

/** A transaction is over when both partitions have its marker. */
function end(kafka: Kafka, id: number): Kafka {
  const isOver = isMarked(kafka.ledger, id) && isMarked(kafka.heads, id)
  return isOver ? change(kafka, id, { ...transactionOf(kafka, id), phase: 'none' }) : kafka
}

function change(kafka: Kafka, id: number, transaction: Transaction): Kafka {
  return { ...kafka, transactions: kafka.transactions.with(id, transaction) }
}
