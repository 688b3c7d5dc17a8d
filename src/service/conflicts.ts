import type { Logger } from 'pino'
import { hex, utf8 } from '../base/bytes.ts'
import type { Suite } from '../crypto/suite.ts'
import type { Seq } from '../ledger/entry.ts'
import { conflictSeen, placeOwn } from '../ledger/own-events.ts'
import type { TakenEvent } from '../log/intake.ts'
import type { Placing } from './placing.ts'

export interface ConflictOptions {
  readonly placing: Pick<Placing, 'submitOwn'>
  readonly origin: string
  readonly suite: Suite
  readonly clock: () => Date
  readonly logger: Pick<Logger, 'warn'>
}

/** Conflict entries of one ledger in one minute: a hostile emitter must not fill the ledger with them. */
const perMinuteMax = 10

/** Conflicts of one ledger that are remembered, so that the same again is neither written nor counted. */
const rememberedMax = 1_000

interface Told {
  minute: number
  /** Entries of that minute. */
  count: number
  /** Conflicts that no entry stands for yet. */
  suppressed: number
  readonly remembered: Set<string>
}

/**
 * Writes that an id came again with other content into the ledger it came to: digests only, and once for all times that the
 * same content comes. What goes over the rate or can't be written is counted, and the next entry says how many it stands for.
 */
export function recordConflicts(options: ConflictOptions): (ledger: string, event: TakenEvent, first: Seq) => void {
  const { placing, origin, suite, clock, logger } = options
  const ledgers = new Map<string, Told>()
  return (ledger, event, firstSeq) => {
    if (event.intake.by === 'ledger') return
    const now = clock()
    const told = ledgers.get(ledger) ?? { minute: 0, count: 0, suppressed: 0, remembered: new Set<string>() }
    ledgers.set(ledger, told)
    const refusedSha256 = hex(suite.sha256(utf8(event.canonical)))
    const conflict = `${firstSeq} ${refusedSha256}`
    if (told.remembered.has(conflict) || !admitted(told, now)) return
    remember(told.remembered, conflict)
    const { suppressed } = told
    told.suppressed = 0
    const seen = conflictSeen({
      origin: `${origin}/${ledger}`,
      at: now.toISOString(),
      identity: event,
      firstSeq,
      refusedSha256,
      by: event.intake.by,
      ...(suppressed > 0 && { suppressed }),
    })
    placing.submitOwn(ledger, [placeOwn(seen)]).then(
      ([placement]) => {
        // Written before this service began: then no entry says what was suppressed.
        if (placement?.status !== 'created') told.suppressed += suppressed
      },
      (error: unknown) => {
        told.remembered.delete(conflict)
        told.suppressed += suppressed + 1
        logger.warn({ err: error, ledger }, 'a conflict could not be recorded')
      },
    )
  }
}

/** Whether there is room for another entry in this minute; counts it, or that it was suppressed. */
function admitted(told: Told, now: Date): boolean {
  const minute = Math.floor(now.getTime() / 60_000)
  if (told.minute !== minute) Object.assign(told, { minute, count: 0 })
  const fits = told.count < perMinuteMax
  if (fits) told.count += 1
  else told.suppressed += 1
  return fits
}

/** Adds to a set that forgets its oldest. */
function remember(set: Set<string>, value: string): void {
  const [oldest] = set
  if (set.size >= rememberedMax && oldest !== undefined) set.delete(oldest)
  set.add(value)
}
