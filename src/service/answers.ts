import { textOf } from '../base/bytes.ts'
import { Fault } from '../base/fault.ts'
import type { Suite } from '../crypto/suite.ts'
import { frameAt } from '../ledger/decode.ts'
import { leafHashOf, type StoredEntry } from '../ledger/entry.ts'
import { frameIndex } from '../ledger/frame-place.ts'
import type { Placement, TakenEvent } from '../log/intake.ts'
import { identityText, type LogReader } from '../log/port.ts'
import type { OnConflict } from './placing.ts'

/** What is asked of the log to answer for events that somebody waits for. */
export interface AnswerOptions {
  readonly log: Pick<LogReader, 'find' | 'read'>
  readonly suite: Suite
  readonly onConflict: OnConflict
}

/** The receipt of an entry. */
export function placementOf(suite: Suite, status: 'created' | 'duplicate', stored: StoredEntry): Placement {
  const text = textOf(stored.bytes) ?? ''
  const frame = frameAt(text, frameIndex(text))
  if (frame === undefined) throw new Error(`the log holds no entry at seq ${stored.seq}`)
  return {
    status,
    seq: stored.seq,
    leafHash: leafHashOf(suite, stored.bytes),
    recordedAt: frame.recorded_at,
    keyId: frame.key_id,
    signature: stored.signature,
  }
}

/**
 * What became of events that are placed, or never will be: those in `created` by this very request, the others as the log
 * has them. Throws `log-unavailable` for one that was not taken.
 */
export async function answersFor(
  { log, suite, onConflict }: AnswerOptions,
  ledger: string,
  events: readonly TakenEvent[],
  created: ReadonlyMap<string, StoredEntry>,
): Promise<readonly Placement[]> {
  const others = events.filter(event => !created.has(identityText(event)))
  const found = others.length === 0 ? [] : await log.find(ledger, others)
  const seqs = new Map(others.map((event, n) => [identityText(event), found[n]]))
  const first = new Set<string>()
  const answers: Placement[] = []
  for (const event of events) {
    const identity = identityText(event)
    const mine = created.get(identity)
    const stored = mine ?? (await entryAt(log, ledger, seqs.get(identity)))
    if (stored === undefined) throw new Fault('log-unavailable', refusedDetail)
    if (!holdsEvent(stored, event)) {
      onConflict(ledger, event, stored.seq)
      answers.push({ status: 'conflict', seq: stored.seq, leafHash: leafHashOf(suite, stored.bytes) })
      continue
    }
    answers.push(placementOf(suite, mine !== undefined && !first.has(identity) ? 'created' : 'duplicate', stored))
    first.add(identity)
  }
  return answers
}

const refusedDetail =
  'The sequencer did not take the events: see its log and the dead-letter topic. Processes of one installation need the same intake key, and clocks that agree.'

async function entryAt(
  log: AnswerOptions['log'],
  ledger: string,
  seq: number | undefined,
): Promise<StoredEntry | undefined> {
  if (seq === undefined) return undefined
  const [stored] = await log.read(ledger, seq, 1)
  return stored
}

/**
 * Whether the entry's event is `event`, byte for byte. The entry begins with its event's RFC 8785 text, and no JSON object
 * is the beginning of another, so equal beginnings are equal events.
 */
export const holdsEvent = (entry: StoredEntry, event: TakenEvent): boolean =>
  textOf(entry.bytes)?.startsWith(`{"event":${event.canonical},"intake":`) === true
