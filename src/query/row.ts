import { factsOf } from '../aep/event/facts-of.ts'
import type { Fact } from '../aep/facts.ts'
import { momentMs } from '../aep/time.ts'
import { readEntry } from '../ledger/decode.ts'
import type { LeafHash, StoredEntry } from '../ledger/entry.ts'
import { termsOf } from './terms.ts'

/** An entry as ClickHouse keeps it: one row, whose parallel arrays hold one element a fact. Absent texts are ''. */
export interface Row {
  readonly ledger: string
  readonly seq: number
  readonly leafHash: LeafHash
  readonly recordedAtMs: number
  /** When it happened: by the emitter, or `recordedAtMs` where it says no moment that a row can hold. */
  readonly timeMs: number
  readonly timeFrom: 'event' | 'recorded'
  readonly type: string
  readonly source: string
  readonly eventId: string
  readonly keyId: string
  readonly by: string
  readonly emitterSig: string
  readonly recordSig: string
  /** The one that all facts which name any agree on; '' where there are several. */
  readonly principal: string
  readonly session: string
  readonly run: string
  readonly facts: readonly FactRow[]
  /** Every reason that the event gives, in lower case, one a line. */
  readonly reasons: string
  /** What it is found by: see `terms.ts`. */
  readonly terms: readonly string[]
  readonly signature: Uint8Array
  readonly entry: Uint8Array
}

/** A fact, flat. A lease that is granted names several tools; every other fact one at most. */
export interface FactRow {
  readonly kind: string
  readonly principal: string
  readonly session: string
  readonly run: string
  readonly server: string
  readonly tools: readonly string[]
  readonly decision: string
  readonly denyReason: string
  readonly sideEffect: string
  readonly lease: string
  readonly policies: readonly string[]
  readonly decisionId: string
  readonly outcome: string
  /** What a result says of drift; '' where it says nothing. */
  readonly drift: '' | 'yes' | 'no'
}

/** What ClickHouse's DateTime64(3) can hold: the years 1900 to 2299. */
export const timeMsMin = Date.UTC(1900, 0, 1)
export const timeMsMax = Date.UTC(2300, 0, 1) - 1

/**
 * The row of an entry of one's own log. Pure: the same entry gives the same row for ever, which is what makes inserting
 * it again harmless. Cost: a parse and a walk, some 5 µs for an entry of 1 KB.
 */
export function rowOf(stored: StoredEntry, leafHash: LeafHash): Row {
  const entry = readEntry(stored.bytes)
  const { event, intake } = entry
  const facts = factsOf(event)
  const recordedAtMs = momentMs(entry.recorded_at) ?? 0
  const saidMs = event.time === undefined ? undefined : momentMs(event.time)
  const holds = saidMs !== undefined && saidMs >= timeMsMin && saidMs <= timeMsMax
  const rows = facts.map(factRow)
  const reasons = reasonsOf(event.data, facts)
  return {
    ledger: entry.ledger,
    seq: stored.seq,
    leafHash,
    recordedAtMs,
    timeMs: holds ? saidMs : recordedAtMs,
    timeFrom: holds ? 'event' : 'recorded',
    type: event.type,
    source: event.source,
    eventId: event.id,
    keyId: entry.key_id,
    by: intake.by,
    emitterSig: intake.emitter_sig,
    recordSig: intake.record_sig,
    principal: theOne(facts, fact => fact.principal),
    session: theOne(facts, fact => fact.session),
    run: theOne(facts, fact => fact.run),
    facts: rows,
    reasons,
    terms: termsOf(event.type, rows, reasons),
    signature: stored.signature,
    entry: stored.bytes,
  }
}

function theOne(facts: readonly Fact[], of: (fact: Fact) => string | undefined): string {
  let one = ''
  for (const fact of facts) {
    const value = of(fact)
    if (value === undefined || value === one) continue
    if (one !== '') return ''
    one = value
  }
  return one
}

/** Every member that any kind of fact may have, absent where this kind has none. */
interface AnyFact {
  readonly kind: string
  readonly tools?: readonly string[]
  readonly decision?: string
  readonly denyReason?: string
  readonly sideEffect?: string
  readonly lease?: string
  readonly policies?: readonly string[]
  readonly decisionId?: string
  readonly outcome?: string
  readonly drift?: boolean
}

function factRow(fact: Fact): FactRow {
  const any: AnyFact = fact
  return {
    kind: fact.kind,
    principal: fact.principal ?? '',
    session: fact.session ?? '',
    run: fact.run ?? '',
    server: fact.server ?? '',
    tools: any.tools ?? (fact.tool === undefined ? [] : [fact.tool]),
    decision: any.decision ?? '',
    denyReason: any.denyReason ?? '',
    sideEffect: any.sideEffect ?? '',
    lease: any.lease ?? '',
    policies: any.policies ?? [],
    decisionId: any.decisionId ?? '',
    outcome: any.outcome ?? '',
    drift: any.drift === undefined ? '' : any.drift ? 'yes' : 'no',
  }
}

/** Where events give reasons beside those that facts carry. */
interface GivesReasons {
  readonly reason?: unknown
  readonly reasons?: unknown
  readonly layers?: Readonly<Record<string, { readonly reasons?: unknown } | undefined>>
}

function reasonsOf(data: object, facts: readonly Fact[]): string {
  const found = new Set<string>()
  const add = (value: unknown): void => {
    if (typeof value === 'string' && value !== '') found.add(value.toLowerCase())
    else if (Array.isArray(value)) value.forEach(add)
  }
  for (const fact of facts) if ('reasons' in fact) add(fact.reasons)
  const { reason, reasons, layers }: GivesReasons = data
  add(reason)
  add(reasons)
  for (const name in layers) add(layers[name]?.reasons)
  return found.size === 0 ? '' : [...found].join('\n')
}
