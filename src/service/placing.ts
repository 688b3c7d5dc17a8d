import type { Head } from '../ledger/entry.ts'
import type { EventIntake, Placement, TakenEvent } from '../log/intake.ts'

/** What gives events their places, as the rest of the service sees it: the sequencer here, or the way to one. */
export interface Placing extends EventIntake {
  /** Places entries of the ledger's own, in a batch of their own; the first makes the ledger. */
  submitOwn(ledger: string, events: readonly TakenEvent[]): Promise<readonly Placement[]>
  /** Names of all ledgers, sorted. */
  ledgers(): readonly string[]
  /** The newest place of a ledger, as far as this process knows. */
  head(ledger: string): Head | undefined
  /** Events that wait for a place now. */
  readonly queued: number
  /** Whether events are being placed. */
  readonly busy: boolean
  /** Why events can't be placed now, if so. */
  readonly trouble: string | undefined
  /** Takes nothing more, and resolves when all that was taken is placed. */
  stop(): Promise<void>
}

/** What is to be heard of events whose identity was taken by other content; must not throw. */
export type OnConflict = (ledger: string, event: TakenEvent, first: Placement['seq']) => void
