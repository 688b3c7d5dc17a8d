import type { Logger } from 'pino'
import { hex, utf8 } from '../base/bytes.ts'
import type { Suite } from '../crypto/suite.ts'
import type { Seq } from '../ledger/entry.ts'
import { conflictSeen, placeOwn } from '../ledger/own-events.ts'
import type { TakenEvent } from '../log/intake.ts'
import type { Sequencer } from './sequencer.ts'

export interface ConflictOptions {
  readonly sequencer: Sequencer
  readonly origin: string
  readonly suite: Suite
  readonly clock: () => Date
  readonly logger: Logger
}

/** Conflict entries of one ledger in one minute: a hostile emitter must not fill the ledger with them. */
const perMinuteMax = 10

/**
 * Writes that an id came again with other content into the ledger it came to: digests only. What goes over the rate is
 * counted, and the next entry says how many it stands for.
 */
export function recordConflicts(options: ConflictOptions): (ledger: string, event: TakenEvent, first: Seq) => void {
  const { sequencer, origin, suite, clock, logger } = options
  const minutes = new Map<string, { minute: number; count: number; suppressed: number }>()
  return (ledger, event, firstSeq) => {
    if (event.intake.by === 'ledger') return
    const now = clock()
    const minute = Math.floor(now.getTime() / 60_000)
    const before = minutes.get(ledger) ?? { minute, count: 0, suppressed: 0 }
    const count = before.minute === minute ? before.count : 0
    if (count >= perMinuteMax) {
      minutes.set(ledger, { minute, count, suppressed: before.suppressed + 1 })
      return
    }
    minutes.set(ledger, { minute, count: count + 1, suppressed: 0 })
    const seen = conflictSeen({
      origin: `${origin}/${ledger}`,
      at: now.toISOString(),
      identity: event,
      firstSeq,
      refusedSha256: hex(suite.sha256(utf8(event.canonical))),
      by: event.intake.by,
      ...(before.suppressed > 0 && { suppressed: before.suppressed }),
    })
    sequencer
      .submitOwn(ledger, [placeOwn(seen)])
      .catch((error: unknown) => logger.warn({ err: error, ledger }, 'a conflict could not be recorded'))
  }
}
