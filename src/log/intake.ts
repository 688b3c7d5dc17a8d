import type { LeafHash, Seq } from '../ledger/entry.ts'
import type { Placeable } from '../ledger/seal.ts'
import type { EventIdentity } from './port.ts'

/** An event that passed every check at the door and waits for its place in a ledger. */
export interface TakenEvent extends Placeable, EventIdentity {}

/** What became of one event. */
export type Placement =
  | {
      /** `created`: placed now. `duplicate`: the same event had its place already, and this is the first receipt. */
      readonly status: 'created' | 'duplicate'
      readonly seq: Seq
      readonly leafHash: LeafHash
      readonly recordedAt: string
      readonly keyId: string
      readonly signature: Uint8Array
    }
  | {
      /** The identity is taken, by the entry at `seq`, with other content. Nothing was placed. */
      readonly status: 'conflict'
      readonly seq: Seq
      readonly leafHash: LeafHash
    }

/**
 * The door to a ledger: what http hands events to, and what stands before the sequencer.
 *
 * `submit` resolves once every event of the call has its place and is durable, with one placement an event in the order
 * given; events of one call keep their order in the ledger. It throws `Fault`: `ledger-unknown`, `overloaded` (the queue
 * is full; nothing of this call was taken), `shutting-down`, `log-unavailable` (nothing is known to be placed; the same
 * events may be sent again). It never answers for an event that is not on disk.
 */
export interface EventIntake {
  submit(ledger: string, events: readonly TakenEvent[]): Promise<readonly Placement[]>
}
