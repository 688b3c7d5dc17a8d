import { type Chain, prevOf } from './chain.ts'

/**
 * What the protocol rests on of Kafka: one partition of the ledger and its partner of the heads, each a log of its own that a
 * transaction reaches by a marker of its own; and for each transactional id the one producer that may still use it.
 *
 * A producer's epoch is its being the `holder`: whoever opens the id takes it from the one before. Records of aborted
 * transactions are left out, for nobody who reads committed ones can see them; so are markers and their offsets, and head
 * records that compaction may drop.
 */
export interface Kafka {
  readonly ledger: readonly LedgerRecord[]
  readonly heads: Heads
  readonly transactions: readonly Transaction[]
}

export interface LedgerRecord {
  readonly id: number
  readonly entry: Chain
  readonly open: boolean
}

/** The ledger's head, as the chain that ends with it, and the intake offset up to which all is done. */
export interface Heads {
  readonly chain: Chain
  readonly next: number
}

/** The transaction of one transactional id. */
export interface Transaction {
  readonly holder: number | undefined
  /** `asked`: a request to commit is on its way; `decided`: the coordinator has taken it, and markers are due. */
  readonly phase: 'none' | 'open' | 'asked' | 'decided'
  /** The record in the heads partition that has no marker yet. */
  readonly heads: Heads | undefined
}

export const nothing: Heads = { chain: '', next: 0 }

export function emptyKafka(ids: number): Kafka {
  const none: Transaction = { holder: undefined, phase: 'none', heads: undefined }
  return { ledger: [], heads: nothing, transactions: Array.from({ length: ids }, () => none) }
}

export function transactionOf(kafka: Kafka, id: number): Transaction {
  const transaction = kafka.transactions[id]
  if (transaction === undefined) throw new Error(`there is no transactional id ${id}`)
  return transaction
}

/**
 * InitProducerId: ends an open transaction of the id, and refuses whoever held it from here on. Of a transaction that is
 * decided the markers come first: until then the caller is put off (CONCURRENT_TRANSACTIONS), which is `undefined` here.
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
  const ledger = kafka.ledger.filter(record => record.id !== id || !record.open)
  return change({ ...kafka, ledger }, id, { holder, phase: 'none', heads: undefined })
}

/** Sends a batch in a transaction: its entries, and the heads after it. All or a part arriving is one to who reads committed. */
export function send(kafka: Kafka, id: number, entries: readonly Chain[], heads: Heads | undefined): Kafka {
  const ledger = [...kafka.ledger, ...entries.map(entry => ({ id, entry, open: true }))]
  return change({ ...kafka, ledger }, id, { ...transactionOf(kafka, id), phase: 'open', heads })
}

/** A request to commit is on its way: it may arrive as long as nobody has taken the id. */
export const ask = (kafka: Kafka, id: number): Kafka =>
  change(kafka, id, { ...transactionOf(kafka, id), phase: 'asked' })

/** The commit arrives: from here on nothing undoes it, though nobody sees it yet. */
export const decide = (kafka: Kafka, id: number): Kafka =>
  endIfMarked(change(kafka, id, { ...transactionOf(kafka, id), phase: 'decided' }), id)

export const ledgerIsMarked = (kafka: Kafka, id: number): boolean =>
  !kafka.ledger.some(record => record.id === id && record.open)

export function markLedger(kafka: Kafka, id: number): Kafka {
  const ledger = kafka.ledger.map(record => (record.id === id ? { ...record, open: false } : record))
  return endIfMarked({ ...kafka, ledger }, id)
}

export function markHeads(kafka: Kafka, id: number): Kafka {
  const { heads } = transactionOf(kafka, id)
  if (heads === undefined) throw new Error('the heads have no record that waits')
  return endIfMarked(change({ ...kafka, heads }, id, { ...transactionOf(kafka, id), heads: undefined }), id)
}

/** What a reader of committed records finds in the ledger partition: all before the last stable offset. */
export function visible(kafka: Kafka): LedgerRecord[] {
  const end = kafka.ledger.findIndex(record => record.open)
  return kafka.ledger.slice(0, end === -1 ? undefined : end)
}

/** What every reader will have found some day: records that nothing can undo. */
export function settled({ ledger, transactions }: Kafka): LedgerRecord[] {
  return ledger.filter(({ id, open }) => !open || transactions[id]?.phase === 'decided')
}

/**
 * The chain that a reader makes of records: one whose bytes it has is dropped. `undefined` where a record is another than
 * the one that the chain has there, or doesn't follow on it: the reader raises an alarm and stops.
 */
export function chainOf(records: readonly LedgerRecord[]): Chain | undefined {
  let chain: Chain = ''
  for (const { entry } of records) {
    if (prevOf(entry) === chain) chain = entry
    else if (!`${chain} `.startsWith(`${entry} `)) return undefined
  }
  return chain
}

/** The transaction is over when both partitions have its marker. */
function endIfMarked(kafka: Kafka, id: number): Kafka {
  const transaction = transactionOf(kafka, id)
  const isOver = ledgerIsMarked(kafka, id) && transaction.heads === undefined
  return isOver ? change(kafka, id, { ...transaction, phase: 'none' }) : kafka
}

function change(kafka: Kafka, id: number, transaction: Transaction): Kafka {
  return { ...kafka, transactions: kafka.transactions.with(id, transaction) }
}
