import type { LeaseAt, LeaseStatus } from './leases.ts'
import type { Told } from './violations.ts'

export type { LeaseAt } from './leases.ts'

export interface LeaseFilter {
  readonly lease?: string
  readonly status?: LeaseStatus
  readonly principal?: string
  readonly server?: string
  readonly tool?: string
}

export interface LeasePage {
  /** By `granted_seq`, ascending. */
  readonly items: readonly LeaseAt[]
  /** `grantedSeq` to go on after; absent on the last page. */
  readonly next?: number
  /** Asked about one id: what was said of it while nothing had been granted under it, where there was anything. */
  readonly strays?: Told
  /** Last seq that the answer knows of; -1 before the first. */
  readonly asOf: number
}

/** Reading side of the lease view. A view never claims more than its position. */
export interface LeaseView {
  /** Last seq folded; -1 before the first. */
  position(ledger: string): Promise<number>
  /** Resolves when the view has folded `seq`, or after `timeoutMs`, whichever is first; true when it has. */
  reached(ledger: string, seq: number, timeoutMs: number): Promise<boolean>
  /**
   * Leases of `ledger` as they stood at `atMs` by event time (`leaseAt`), at most `limit`, after `grantedSeq > after`.
   * With `now`, `atMs` is the present, and all that is known counts however it is dated (`leaseNow`). Of the violations
   * of each the newest are told, and how many there are.
   */
  list(
    ledger: string,
    filter: LeaseFilter,
    atMs: number,
    limit: number,
    after?: number,
    now?: boolean,
  ): Promise<LeasePage>
}
