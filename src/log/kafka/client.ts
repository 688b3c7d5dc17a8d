/**
 * What the log asks of Kafka, and all that it asks: a client is one file that gives this. Its promises are narrower than
 * Kafka's, so that a client can keep them.
 */
export interface KafkaClient {
  /** Topics as they are, by name; those that are not there are left out. */
  topics(names: readonly string[]): Promise<ReadonlyMap<string, TopicState>>
  /** Makes topics, and returns when their leaders are known. Those that are there already are left as they are. */
  create(topics: readonly NewTopic[]): Promise<void>
  /** Brokers that are up. */
  brokers(): Promise<number>
  /**
   * Offsets that committed records may stand at: from `low` on and below `end`, the last stable offset. Not every offset
   * between them holds a record.
   */
  bounds(topic: string): Promise<{ readonly low: number; readonly end: number }>
  /** Committed records of partition 0 from offset `from` up to `end`, in order, in batches. */
  read(topic: string, from: number, end: number): AsyncIterable<readonly KafkaRecord[]>
  /** Takes `transactionalId` over: whoever wrote under it is fenced, and its open transaction has ended, when it resolves. */
  writer(transactionalId: string): Promise<KafkaWriter>
  close(): Promise<void>
}

/** One transaction after the other, under one transactional id. */
export interface KafkaWriter {
  /**
   * Writes all records to partition 0 of their topics, or none; durable by the topics' own rules when it resolves, with the
   * offset behind the last of each topic. Throws `NotCommitted`, `Fenced`, or, where nobody knows, `CommitUnknown`; after any of them the writer is of no more use.
   */
  commit(records: readonly NewRecord[]): Promise<ReadonlyMap<string, number>>
  close(): Promise<void>
}

export interface NewRecord {
  readonly topic: string
  readonly key: string
  readonly value: Uint8Array
  readonly headers: Readonly<Record<string, Uint8Array>>
}

export interface KafkaRecord {
  readonly offset: number
  readonly key: string
  readonly value: Uint8Array
  readonly headers: Readonly<Record<string, Uint8Array>>
}

export interface TopicState {
  readonly partitions: number
  readonly replicas: number
  /** Every setting in force, by its name in Kafka. */
  readonly settings: ReadonlyMap<string, string>
}

export interface NewTopic {
  readonly name: string
  readonly replicas: number
  readonly settings: Readonly<Record<string, string>>
}

/** Nothing was written, and nothing will be. */
export class NotCommitted extends Error {
  override readonly name = 'NotCommitted'
}

/** Somebody took the transactional id over: nothing was written, and nothing can be under it. */
export class Fenced extends Error {
  override readonly name = 'Fenced'
}

/** Whether the transaction was committed is to be read back, once the id has been taken over again. */
export class CommitUnknown extends Error {
  override readonly name = 'CommitUnknown'
  /** Whether the id was taken over meanwhile: the transaction has ended, one way or the other. */
  readonly isFenced: boolean
  constructor(isFenced: boolean, cause: unknown) {
    super(`Nobody knows whether a transaction was committed: ${String(cause)}`, { cause })
    this.isFenced = isFenced
  }
}
