/**
 * What the log asks of Kafka, and all that it asks: a client is one file that gives this. Its promises are narrower than
 * Kafka's, so that a client can keep them.
 */
export interface KafkaClient {
  /** Topics as they are, by name; those that are not there are left out. */
  topics(names: readonly string[]): Promise<ReadonlyMap<string, TopicState>>
  /** How many partitions a topic has; 0 where there is none. Asks for no more than who may read it is permitted. */
  partitions(topic: string): Promise<number>
  /** Makes topics, and returns when their leaders are known. Those that are there already are left as they are. */
  create(topics: readonly NewTopic[]): Promise<void>
  /** Brokers that are up. */
  brokers(): Promise<number>
  /** The partition of `key` among so many: Kafka's own rule, murmur2 of its bytes. */
  partitionOf(key: string, partitions: number): number
  /**
   * Offsets that committed records may stand at: from `low` on and below `end`, the last stable offset. Not every offset
   * between them holds a record.
   */
  bounds(place: Place): Promise<Bounds>
  /** Offset behind all that stands there, committed or not: the high watermark. */
  high(place: Place): Promise<number>
  /**
   * Committed records from offset `from` up to `end`, in order, in batches; or all, where `isUncommitted`. Throws what stands
   * in the way where that lasts.
   */
  read(place: Place, from: number, end: number, isUncommitted?: boolean): AsyncIterable<readonly KafkaRecord[]>
  /** Follows places for ever, through whatever happens to brokers and connections. */
  tail(options: TailOptions): Promise<KafkaTail>
  /** Takes `transactionalId` over: whoever wrote under it is fenced, and its open transaction has ended, when it resolves. */
  writer(transactionalId: string): Promise<KafkaWriter>
  /**
   * Takes `transactionalId` over, and ends what transactions under it left open in `places`, where Kafka takes them for ended
   * and their markers were never written. What is open under another id stays so.
   */
  settle(transactionalId: string, places: readonly Place[], isCommitted: boolean): Promise<void>
  /** Appends without a transaction. */
  producer(): Promise<KafkaProducer>
  /** Shares the partitions of a topic out among all processes that ask under the same name. It assigns, and nothing more. */
  share(options: ShareOptions): Promise<Share>
  /** Lets the records below `offset` go. */
  trim(place: Place, offset: number): Promise<void>
  close(): Promise<void>
}

/** A partition of a topic. */
export interface Place {
  readonly topic: string
  readonly partition: number
}

export const placeText = ({ topic, partition }: Place): string => `${topic}/${partition}`

export interface Bounds {
  readonly low: number
  readonly end: number
}

/** One transaction after the other, under one transactional id. */
export interface KafkaWriter {
  /**
   * Writes all records, or none, in their order within each place; durable by the topics' own rules when it resolves, with
   * the offset behind the last of each place (`placeText`). Throws `NotCommitted`, `Fenced`, or, where nobody knows,
   * `CommitUnknown`; after any of them the writer is of no more use. `from` says at which offset the first record of a place
   * has to come to stand: where it does not, nothing is committed.
   */
  commit(records: readonly NewRecord[], from?: ReadonlyMap<string, number>): Promise<ReadonlyMap<string, number>>
  /**
   * Whether it lost a connection since it was begun. A broker that died may have left the last commit without its markers, and
   * whatever ends the next transaction ends that one as well: such a writer does not go back to a broker that it lost.
   */
  readonly isWorn: boolean
  close(): Promise<void>
}

/** One send after the other. */
export interface KafkaProducer {
  /**
   * Appends records, of one place, next to one another; durable when it resolves, with the offset of the first. Throws
   * `SendUnknown`: they may be there, once; the producer is of no more use then.
   */
  send(records: readonly NewRecord[]): Promise<number>
  close(): Promise<void>
}

export interface TailOptions {
  readonly places: readonly FollowedPlace[]
  /**
   * Committed records of a place, in order, one call after the other for each place; `next` is the offset to go on from,
   * which passes what no reader may see. What it throws stops that place for good, and is told to `onStopped`.
   */
  readonly take: (place: Place, records: readonly KafkaRecord[], next: number) => Promise<void>
  readonly onStopped: (place: Place, error: unknown) => void
  /** What stands in the way of all of it now; `undefined` when it is gone. */
  readonly onTrouble: (error: unknown) => void
}

export interface FollowedPlace extends Place {
  readonly from: number
  readonly isPaused?: boolean
  /**
   * Whoever may write there must not be able to stop it: a batch that can't be decoded is passed over, and one record without
   * key and headers stands for it, whose value says why. Elsewhere such a batch stops its place, with `Undecodable`.
   */
  readonly isPassedOver?: boolean
}

export interface KafkaTail {
  pause(place: Place): void
  /** Goes on at `from`, also with a place that was stopped. What was taken of it and not handed over yet is dropped. */
  resume(place: Place, from: number): void
  close(): Promise<void>
}

export interface ShareOptions {
  readonly group: string
  readonly topic: string
  /** Partitions that this process has from now on: all of them, each time. */
  readonly onAssigned: (partitions: readonly number[]) => void
  readonly onTrouble: (error: unknown) => void
}

/** After so long without a word, a member of a group counts as gone: the least that brokers allow by default. */
export const sessionMs = 6_000

export interface Share {
  /** When the group last confirmed that this process is one of it, by `performance.now()`. */
  readonly confirmedAtMs: number
  /** Leaves a partition to others for a minute, where there are any: this process can't work on it. The group shares out anew. */
  avoid(partition: number): Promise<void>
  /** Gives its partitions up, for others to have at once. */
  close(): Promise<void>
}

export interface NewRecord extends Place {
  readonly key: string
  readonly value: Uint8Array
  /** It has no value at all: in a compacted topic it takes its key away. `value` is empty then. */
  readonly isTombstone?: true
  readonly headers: Readonly<Record<string, Uint8Array>>
}

/** Fewer bytes than a broker takes in one batch (`max.message.bytes`, 1,048,588 by default), headers included. */
export const sendBytesMax = 900_000
export const sendRecordsMax = 1_000

/** Bytes that a record takes in a batch, or more. */
export const sizeOf = ({ key, value, headers }: NewRecord): number =>
  Object.values(headers).reduce((sum, bytes) => sum + bytes.length + 16, Buffer.byteLength(key) + value.length + 32)

export interface KafkaRecord {
  readonly offset: number
  readonly key: string
  readonly value: Uint8Array
  /** As in `NewRecord`. */
  readonly isTombstone?: true
  readonly headers: Readonly<Record<string, Uint8Array>>
  /** As the topic's settings say: when its producer made it, or when the broker took it. Milliseconds. */
  readonly timestampMs: number
}

export interface TopicState {
  readonly partitions: number
  /** Copies of the partition that has the fewest. */
  readonly replicas: number
  /** Every setting in force, by its name in Kafka. */
  readonly settings: ReadonlyMap<string, string>
}

export interface NewTopic {
  readonly name: string
  readonly partitions: number
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

/** Records that are there, and can't be read. */
export class Undecodable extends Error {
  override readonly name = 'Undecodable'
  constructor(place: Place, offset: number, cause: unknown) {
    super(`${placeText(place)} can’t be decoded at offset ${offset}: ${String(cause)}`, { cause })
  }
}

/** Whether the records of a send are there is to be read back. */
export class SendUnknown extends Error {
  override readonly name = 'SendUnknown'
}
