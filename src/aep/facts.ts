import type { AepEvent } from './event/schema.ts'

/**
 * What an event says, in one vocabulary: views, rows and queries read facts and never the event's own members, so that a
 * decision inside an `aep.record` and an `aep.decision` of its own count the same.
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
  /** Id that results and lease uses cite: the event's `id`, or the action id inside a record. */
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
  /** As given; `expiresAtMs` is absent when it is no RFC 3339 date, and the lease is then invalid from the start. */
  readonly expiresAt: string
  readonly expiresAtMs?: number
  readonly stateChanging?: boolean
  readonly maxInvocations?: number
  readonly supersedes?: string
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
}

export interface GapFact extends FactContext {
  readonly kind: 'gap'
  readonly count: number
}

/** The facts of one event, in the order it says them. Implemented in `event/facts-of.ts`. */
export type FactsOf = (event: AepEvent) => readonly Fact[]
