import { factsOf } from '../aep/event/facts-of.ts'
import type { AepEvent, EventType } from '../aep/event/schema.ts'
import type { DecisionFact, Fact, LeaseGrantedFact } from '../aep/facts.ts'
import { momentMs } from '../aep/time.ts'
import { utf8 } from '../base/bytes.ts'
import type { Entry } from '../ledger/decode.ts'
import { frameIndex, isEventOf } from '../ledger/frame-place.ts'
import type { LeaseTerms } from './lease-state.ts'

/** What an entry says about the leases of one id. */
export type LeaseFact = LeaseGranted | LeaseSuperseded | LeaseUsed | LeaseRevoked | LeaseCited

interface About {
  /** The lease id as emitters say it: it names a family, for ids may collide. */
  readonly lease: string
  readonly seq: number
  /** When it happened: the event's own time, or `recorded_at` where it has none. */
  readonly atMs: number
}

export interface LeaseGranted extends About {
  readonly kind: 'granted'
  readonly terms: LeaseTerms
  /** `renewal`: it supersedes the lease of its own id. `amendment`: it is no new lease. */
  readonly as: 'grant' | 'renewal' | 'amendment'
}

/** A lease of this id was renewed, by a grant under `by`. */
export interface LeaseSuperseded extends About {
  readonly kind: 'superseded'
  readonly by: string
  readonly claim: LeaseClaim
}

export interface LeaseUsed extends About {
  readonly kind: 'used'
  readonly claim: LeaseClaim
  readonly source: string
  readonly decisionId?: string
}

export interface LeaseRevoked extends About {
  readonly kind: 'revoked'
  readonly claim: LeaseClaim
}

/** A decision names the lease. That is no use of it. */
export interface LeaseCited extends About {
  readonly kind: 'cited'
  readonly claim: LeaseClaim
  readonly source: string
  readonly decisionId: string
  readonly decision?: string
}

/** Who used it on what, as far as was said. */
export interface LeaseClaim {
  readonly principal?: string
  readonly server?: string
  readonly tool?: string
}

/** The facts of an entry about leases, in order; a renewal is one for each of the two ids. */
export const leaseFacts = ({ seq, recorded_at, event }: Entry): readonly LeaseFact[] =>
  leaseFactsOf(event, seq, recorded_at)

/**
 * The same for an entry's bytes, of one's own log, without parsing what can't matter.
 *
 * Exact, whatever stands in people's texts: the frame and the type of the event are found from behind, where nothing of
 * anybody's choosing stands, and RFC 8785 spells a member's name in one way, so a decision whose bytes don't hold
 * `"lease_id":` names no lease.
 */
export function leaseFactsIn(bytes: Uint8Array): readonly LeaseFact[] {
  if (!isEventOf(bytes, concerned)) return none
  const text = decoder.decode(bytes)
  const end = frameIndex(text)
  const type = text.lastIndexOf(typeName, end) + typeName.length
  if (!mayConcern(text.slice(type, end - 2), text)) return none
  const recordedAt = text.indexOf(recordedAtName, end) + recordedAtName.length
  const seq = text.indexOf(seqName, recordedAt) + seqName.length
  const event = JSON.parse(text.slice(eventFrom, end)) as AepEvent
  return leaseFactsOf(event, Number.parseInt(text.slice(seq, seq + 16), 10), text.slice(recordedAt, recordedAt + 24))
}

const none: readonly LeaseFact[] = []
const concerned = ['aep.decision"', 'aep.lease.', 'aep.record"'].map(utf8)
const decoder = new TextDecoder()
const eventFrom = '{"event":'.length
const typeName = '"type":"'
const recordedAtName = '"recorded_at":"'
const seqName = '"seq":'

/** Whether an entry with an event of `type` may say something about a lease. */
function mayConcern(type: string, text: string): boolean {
  switch (type as EventType) {
    case 'aep.lease.granted':
    case 'aep.lease.used':
    case 'aep.lease.revoked':
      return true
    case 'aep.decision':
      return text.includes('"lease_id":')
    case 'aep.record':
      // A record names it in plain letters, in escaped ones, or inside an envelope.
      return text.includes('scope_lease_id') || text.includes('\\\\u') || text.includes('payloadType')
    default:
      return false
  }
}

const leaseFactsOf = (event: AepEvent, seq: number, recordedAt: string): readonly LeaseFact[] =>
  factsOf(event).flatMap(fact => leaseFact(fact, event, seq, recordedAt))

function leaseFact(fact: Fact, event: AepEvent, seq: number, recordedAt: string): LeaseFact[] {
  switch (fact.kind) {
    case 'lease-granted':
      return granted(fact, seq, fact.atMs ?? recordedMs(recordedAt))
    case 'lease-used': {
      const { lease, atMs = recordedMs(recordedAt), decisionId } = fact
      const used = { kind: 'used', lease, seq, atMs, claim: claimOf(fact), source: event.source } as const
      return [decisionId === undefined ? used : { ...used, decisionId }]
    }
    case 'lease-revoked':
      return [
        { kind: 'revoked', lease: fact.lease, seq, atMs: fact.atMs ?? recordedMs(recordedAt), claim: claimOf(fact) },
      ]
    case 'decision':
      return fact.lease === undefined ? [] : [cited(fact, fact.lease, event.source, seq, recordedAt)]
    case 'receipt':
    case 'consent':
    case 'taint':
    case 'vetting':
    case 'result':
    case 'session-opened':
    case 'session-closed':
    case 'gap':
      return []
    default:
      return fact satisfies never
  }
}

function granted(fact: LeaseGrantedFact, seq: number, atMs: number): LeaseFact[] {
  const { lease, supersedes, principal = '', server = '', expiresAtMs, maxInvocations, stateChanging } = fact
  const terms: LeaseTerms = {
    seq,
    atMs,
    principal,
    server,
    tools: fact.tools,
    expiresAt: fact.expiresAt,
    ...(expiresAtMs === undefined ? {} : { expiresAtMs }),
    ...(maxInvocations === undefined ? {} : { maxInvocations }),
    ...(stateChanging === undefined ? {} : { stateChanging }),
  }
  if (fact.amends) return [{ kind: 'granted', lease, seq, atMs, terms, as: 'amendment' }]
  const grant = { kind: 'granted', lease, seq, atMs, terms, as: supersedes === lease ? 'renewal' : 'grant' } as const
  if (supersedes === undefined) return [grant]
  return [{ kind: 'superseded', lease: supersedes, seq, atMs, by: lease, claim: { principal, server } }, grant]
}

function cited(fact: DecisionFact, lease: string, source: string, seq: number, recordedAt: string): LeaseCited {
  const { decision, decisionId, atMs = recordedMs(recordedAt) } = fact
  const about = { kind: 'cited', lease, seq, atMs, claim: claimOf(fact), source, decisionId } as const
  return decision === undefined ? about : { ...about, decision }
}

const claimOf = ({ principal, server, tool }: LeaseClaim): LeaseClaim => ({
  ...(principal === undefined ? {} : { principal }),
  ...(server === undefined ? {} : { server }),
  ...(tool === undefined ? {} : { tool }),
})

const recordedMs = (recordedAt: string): number => momentMs(recordedAt) ?? 0
