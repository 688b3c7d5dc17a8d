/**
 * What an event says, in one vocabulary: views, rows and queries read facts and never the event's own members, so that a
 * decision inside an `aep.record` and an `aep.decision` of its own count the same. `event/facts-of.ts` reads them out.
 *
 * Members are as the emitter said them. What it left out is absent here; `sideEffect` alone is filled, because an
 * undeclared side effect **is** an unknown mutation (`unknown`), never a guess.
 */
export type Fact =
  | DecisionFact
  | LeaseGrantedFact
  | LeaseUsedFact
  | LeaseRevokedFact
  | ReceiptFact
  | ConsentFact
  | TaintFact
  | VettingFact
  | ResultFact
  | SessionFact
  | GapFact

/** Who, where and in which run: what every fact may carry. */
export interface FactContext {
  readonly principal?: string
  readonly session?: string
  readonly run?: string
  readonly server?: string
  readonly tool?: string
  /** When it happened, ms since the epoch, by the emitter; `undefined` where its time is no date. */
  readonly atMs?: number
}

export interface DecisionFact extends FactContext {
  readonly kind: 'decision'
  /**
   * Id that results, uses and records cite: the `decision_id` it says, else the event's `id`; inside a record the action
   * id. A decision told twice (as an event and in a record) has one id, so count ids and not facts.
   */
  readonly decisionId: string
  readonly decision?: string
  readonly denyReason?: string
  readonly sideEffect: string
  readonly stateChanging?: boolean
  readonly approvalMode?: string
  readonly lease?: string
  readonly approval?: string
  readonly policies: readonly string[]
  readonly reasons: readonly string[]
  readonly argsDigest?: string
}

export interface LeaseGrantedFact extends FactContext {
  readonly kind: 'lease-granted'
  readonly lease: string
  readonly tools: readonly string[]
  /** As given. */
  readonly expiresAt: string
  /** Absent when `expiresAt` is no RFC 3339 date: the lease is then invalid from the start. */
  readonly expiresAtMs?: number
  readonly stateChanging?: boolean
  readonly maxInvocations?: number
  /** Id of the lease that this one renews. */
  readonly supersedes?: string
  /** The emitter changed the terms of a lease it had granted under this id; it is no new lease. */
  readonly amends?: true
}

export interface LeaseUsedFact extends FactContext {
  readonly kind: 'lease-used'
  readonly lease: string
  /** The decision that this use belongs to: a use is counted once per decision. */
  readonly decisionId?: string
}

export interface LeaseRevokedFact extends FactContext {
  readonly kind: 'lease-revoked'
  readonly lease: string
  readonly reasons: readonly string[]
}

export interface ReceiptFact extends FactContext {
  readonly kind: 'receipt'
  readonly approval: string
  readonly expiresAtMs?: number
  readonly argsDigest?: string
  readonly descriptorDigest?: string
  readonly uiTextDigest?: string
}

export interface ConsentFact extends FactContext {
  readonly kind: 'consent'
  readonly op: 'recorded' | 'revoked'
  readonly expiresAtMs?: number
}

export interface TaintFact extends FactContext {
  readonly kind: 'taint'
  readonly trust?: string
  readonly decisionId?: string
}

export interface VettingFact extends FactContext {
  readonly kind: 'vetting'
  /** What was looked at: a server card, a tool's descriptor, its change, a lease, or something unrecognised. */
  readonly subject: string
  readonly lease?: string
  readonly reasons: readonly string[]
}

export interface ResultFact extends FactContext {
  readonly kind: 'result'
  readonly decisionId?: string
  readonly outcome?: string
  readonly sideEffect: string
  readonly drift?: boolean
}

export interface SessionFact extends FactContext {
  readonly kind: 'session-opened' | 'session-closed'
  readonly parentSession?: string
}

export interface GapFact extends FactContext {
  readonly kind: 'gap'
  readonly count: number
}
