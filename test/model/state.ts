import { begins, type Chain } from './chain.ts'
import { chainOf, type Heads, type Kafka, type Log, nothing, visible } from './kafka.ts'

/** The rules that the protocol can be run without, and what happens instead. */
export const rules = {
  readsBeforeFencing: 'an owner reads head and position first, and takes the transactional id then',
  idPerProcess: 'each process has a transactional id of its own, so that nobody fences anybody',
  forgetsIdentities: 'only the newest entry is looked at for duplicates',
  offsetsOnRead: 'the position is the group’s offset, saved as soon as a batch is taken',
  offsetsAfterCommit: 'the position is the group’s offset, saved in a step of its own after the commit',
  headsBesideTransaction: 'head and position are sent beside the transaction, not in it',
  unknownIsNotWritten: 'a commit of unknown outcome is taken for failed: the batch is sealed again, nothing read back',
  unknownIsWritten: 'a commit of unknown outcome is taken for done',
  readsUncommitted: 'open transactions are read, too',
  takesBack: 'a fenced owner takes the id again by itself',
  answersBeforeCommit: 'a batch is answered when it is sent',
  stampsAtSealing: 'an entry bears the time of its sealing',
  headsBelievedAlone: 'a replica believes the position before it has the entries up to it',
  fencedAnswers: 'who owns nothing any more goes on answering from what it knows',
} as const

export type Rule = keyof typeof rules

/** What is explored: the events that come, in order, how much goes wrong, and which rules are dropped. */
export interface World {
  readonly events: readonly string[]
  readonly faultsMax: number
  readonly without: readonly Rule[]
}

export interface State {
  /** Faults so far; the only clock there is, for between two sealings of an event lies one. */
  readonly faults: number
  /** Events that the http node is done with sending. */
  readonly sent: number
  readonly intake: readonly IntakeRecord[]
  readonly kafka: Kafka
  readonly owners: readonly [Owner, Owner]
  /** The http node's own. */
  readonly replica: Heads
  /** The position that the group has saved, which the protocol never reads. */
  readonly groupOffset: number
  /** The longest chains ever sent, whatever became of their transactions: for the claims alone. */
  readonly written: readonly Chain[]
}

/** An event at its offset; `nobody` waits for an answer where the ack was lost. */
export interface IntakeRecord {
  readonly event: string
  readonly answer: 'nobody' | 'waits' | Answer
}

export interface Answer {
  readonly says: 'created' | 'duplicate' | 'conflict' | 'refused'
  readonly seq: number
}

/**
 * A process, as far as it sequences. It may be paused in any state, for nothing makes it take its next step: what it believes
 * of its ownership may be long out of date.
 */
export interface Owner {
  /**
   * `assigned`: has the partition; `read`, `fenced`: one half of the take-over is done; `sent`: its transaction is open;
   * `asked`: its request to commit is on its way; `told`: the answer to that is; `saves`: so is the group's offset.
   */
  readonly at: 'off' | 'assigned' | 'read' | 'fenced' | 'ready' | 'sent' | 'asked' | 'told' | 'saves'
  readonly knows: Heads
  /** What it will know once its transaction is committed. */
  readonly sealed: Heads
}

/** What happens, in words, and the state after it. */
export type Step = readonly [says: string, next: State]

export const off: Owner = { at: 'off', knows: nothing, sealed: nothing }

/** Something goes wrong, if there may yet. */
export function* failing(world: World, state: State, says: string, next: State): Generator<Step> {
  if (state.faults < world.faultsMax) yield [says, { ...next, faults: state.faults + 1 }]
}

/** What can be read of ledger and heads now; no chain where the entries make none. */
export function look({ without }: World, { kafka }: State): { chain: Chain | undefined; heads: Heads } {
  const read = <Value>(log: Log<Value>): Value[] =>
    without.includes('readsUncommitted') ? log.map(({ value }) => value) : visible(log)
  return { chain: chainOf(read(kafka.ledger)), heads: read(kafka.heads).at(-1) ?? nothing }
}

/** A position is believed once the entries up to its head are there: the two partitions' markers come one by one. */
export function readOn(world: World, state: State, replica: Heads): Heads {
  const { chain = replica.chain, heads } = look(world, state)
  const isBelieved = begins(chain, heads.chain) || world.without.includes('headsBelievedAlone')
  return { chain, next: isBelieved ? Math.max(heads.next, replica.next) : replica.next }
}
