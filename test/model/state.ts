import type { Chain } from './chain.ts'
import { type Kafka, type Known, type Log, nothing, visible, type Written } from './kafka.ts'

/** The rules that the protocol can be run without, and what happens instead. */
export const rules = {
  readsBeforeFencing: 'an owner reads the ledger first, and takes the transactional id then',
  idPerProcess: 'each process has a transactional id of its own, so that nobody fences anybody',
  forgetsIdentities: 'only the newest entry is looked at for duplicates',
  offsetsOnRead: 'the position is the group’s offset, saved as soon as a batch is taken',
  offsetsAfterCommit: 'the position is the group’s offset, saved in a step of its own after the commit',
  positionBesideTransaction: 'the position is sent as a mark beside the transaction, not in it',
  unknownIsNotWritten: 'a commit of unknown outcome is taken for failed: the batch is sealed again, nothing read back',
  unknownIsWritten: 'a commit of unknown outcome is taken for done',
  readsUncommitted: 'open transactions are read, too',
  takesBack: 'a fenced owner takes the id back at once',
  neverLooks: 'a fenced owner stays off although the group confirms that the partition is its own',
  answersBeforeCommit: 'a batch is answered when it is sent',
  stampsAtSealing: 'an entry bears the time of its sealing',
  positionBelievedAlone: 'a replica believes the position before it has kept the entries up to it',
  headsUnchecked: 'an owner doesn’t hold the heads against the ledger',
  waitsForLostIntake: 'an owner whose place in intake is gone waits there, and doesn’t take over again',
  marksStandAlone: 'a mark doesn’t say which head it stands on',
  skipsLostIntake: 'an owner whose place in intake is gone goes on with what is left there',
  standsAnywhere: 'an owner doesn’t look where its records came to stand',
  headFromMemory: 'an owner that could not keep its own step seals on the head that it had before',
} as const

export type Rule = keyof typeof rules

/** What is explored: the events that come, in order, how much goes wrong, and which rules are dropped. */
export interface World {
  readonly events: readonly string[]
  readonly faultsMax: number
  /** Whether the ledger topic may lose records that it had, and intake lets go of what is placed. */
  readonly loses?: boolean
  /** Whether those who wait do so at the processes that sequence, which answer once they have heard of a commit. */
  readonly within?: boolean
  readonly without: readonly Rule[]
}

export interface State {
  /** Faults so far; the only clock there is, for between two sealings of an event lies one. */
  readonly faults: number
  /** Events that the http node is done with sending. */
  readonly sent: number
  readonly intake: readonly IntakeRecord[]
  /** Intake has let go of what stood below this offset. */
  readonly low: number
  readonly kafka: Kafka
  /** Whose the partition is, as the group has it; neither's while one that was given up has no successor. */
  readonly assigned: number | undefined
  readonly owners: readonly [Owner, Owner]
  /** The http node's own. */
  readonly replica: Known
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
 * of its ownership may be long out of date. It knows nothing when it takes over: a replica that it has kept from before could
 * only make it refuse more.
 */
export interface Owner {
  /**
   * `assigned`: has heard that the partition is its own; `read`, `taken`: one half of the take-over is done; `sent`: its
   * transaction is open; `asked`: its request to commit is on its way; `told`: the answer to that is; `saves`: so is the
   * group's offset; `fenced`: somebody has taken the id from it, and it believes that the partition is its own still.
   */
  readonly at: 'off' | 'assigned' | 'read' | 'taken' | 'ready' | 'sent' | 'asked' | 'told' | 'saves' | 'fenced'
  readonly knows: Known
  /** What it will know once its transaction is committed. */
  readonly sealed: Known
  /** Where its next record has to stand if nobody else wrote; -1 once one of its own stands elsewhere. */
  readonly expects: number
  /** The head that it had when it could not keep a step of its own: see `headFromMemory`. */
  readonly remembers: Chain | undefined
}

/** What happens, in words, and the state after it. */
export type Step = readonly [says: string, next: State]

export const off: Owner = { at: 'off', knows: nothing, sealed: nothing, expects: 0, remembers: undefined }

/** Something goes wrong, if there may yet. */
export function* failing(world: World, state: State, says: string, next: State): Generator<Step> {
  if (state.faults < world.faultsMax) yield [says, { ...next, faults: state.faults + 1 }]
}

/** What can be read of ledger and heads now. */
export function look({ without }: World, { kafka }: State): { records: Written[]; head: Chain } {
  const read = <Value>(log: Log<Value>): Value[] =>
    without.includes('readsUncommitted') ? log.map(({ value }) => value) : visible(log)
  return { records: read(kafka.ledger), head: read(kafka.heads).at(-1) ?? '' }
}
