/**
 * The closed vocabularies of a verdict, in the order they are told. Reasons refuse; findings are what has to be known about
 * something all the same. Most names are those of the conformance data, so that verdicts compare.
 */

/** Why a record, chain, ledger or bundle is refused. */
export const reasonClasses = [
  // the text
  'not-json',
  'not-object',
  'bom',
  'invalid-utf8',
  'duplicate-key',
  'unsafe-key',
  'number-lossy',
  'nesting-limit',
  'size-limit',
  'schema',
  // the signature
  'unsigned',
  'signature-missing',
  'signature-alg',
  'signature-encoding',
  'signature-length',
  'signature-mismatch',
  'signature-noncanonical-s',
  'signature-block-inconsistent',
  'signature-limit',
  // the key
  'key-unknown',
  'key-invalid',
  'key-small-order',
  'key-noncanonical',
  'key-id-mismatch',
  'key-not-valid-at-time',
  // the envelope of a v0.4 record
  'dsse-missing',
  'dsse-no-signatures',
  'dsse-signature-mismatch',
  'dsse-payload-type',
  'dsse-payload-encoding',
  'dsse-payload-not-statement',
  'dsse-predicate-type',
  'dsse-predicate-mismatch',
  'dsse-subject-name',
  'dsse-subject-digest',
  // records in a row
  'chain-link-mismatch',
  'chain-link-missing',
  'chain-head-missing',
  'chain-truncated',
  'chain-head-hash-mismatch',
  'chain-duplicate',
  'chain-fork',
  'chain-foreign',
  // what the reference wraps around records
  'ledger-seq',
  'ledger-link',
  'ledger-hash',
  'compaction-mismatch',
  'bundle-count',
  'bundle-digest',
  'bundle-record-digest',
  'bundle-manifest-mismatch',
  // our own: two canonical forms that should agree and don't
  'canonical-mismatch',
] as const

/** What has to be known about a record, chain, ledger or bundle, whatever its verdict. */
export const findingClasses = [
  // how it is signed
  'dsse-pae-legacy-base64',
  'dsse-schema-version-skew',
  'dsse-envelope-absent',
  'dsse-extra-signature',
  'timestamp-proof-detached',
  'timestamp-proof-signed',
  'timestamp-proof-mismatch',
  'timestamp-proof-outside-link',
  'unknown-field',
  'unsigned-member',
  'defaults-not-applied',
  // how records stand in a row
  'chain-unlinked',
  'chain-segment',
  'time-regression',
  'actions-repeated',
  'empty',
  // what the content says about itself
  'run-max-mismatch',
  'run-max-absent',
  'deny-reason-absent',
  'deny-reason-on-allow',
  'drift-inconsistent',
  'duplicate-action-id',
  'side-effect-inconsistent',
  'lease-reference-absent',
  'digest-64-bit',
] as const

export type ReasonClass = (typeof reasonClasses)[number]
export type FindingClass = (typeof findingClasses)[number]

/** One thing that was seen, for people: where, and what about it. */
export interface Note {
  readonly class: ReasonClass | FindingClass
  /** RFC 6901 pointer into what was judged. */
  readonly pointer: string
  readonly detail: string
}

/** What a judgement gathers as it goes; nothing in it stops at the first fault. */
export interface Tally {
  readonly reasons: Set<ReasonClass>
  readonly findings: Set<FindingClass>
  readonly notes: Note[]
}

export const newTally = (): Tally => ({ reasons: new Set(), findings: new Set(), notes: [] })

/** The same fault in ten thousand members is told this often. */
const notesMax = 100

export function refuse(tally: Tally, reason: ReasonClass, pointer: string, detail: string): void {
  tally.reasons.add(reason)
  if (tally.notes.length < notesMax) tally.notes.push({ class: reason, pointer, detail })
}

export function name(tally: Tally, finding: FindingClass, pointer: string, detail: string): void {
  tally.findings.add(finding)
  if (tally.notes.length < notesMax) tally.notes.push({ class: finding, pointer, detail })
}

/** A verdict's lists: each class once, in the order of the vocabularies. */
export interface Verdict {
  readonly verdict: 'accept' | 'reject'
  readonly reasons: readonly ReasonClass[]
  readonly findings: readonly FindingClass[]
  readonly notes: readonly Note[]
}

export const verdictOf = ({ reasons, findings, notes }: Tally): Verdict => ({
  verdict: reasons.size === 0 ? 'accept' : 'reject',
  reasons: reasonClasses.filter(reason => reasons.has(reason)),
  findings: findingClasses.filter(finding => findings.has(finding)),
  notes,
})

/** Adds the verdict on a part, which lies at `at`, to the tally of the whole. */
export function absorb(tally: Tally, part: Verdict, at: string): void {
  for (const reason of part.reasons) tally.reasons.add(reason)
  for (const finding of part.findings) tally.findings.add(finding)
  for (const note of part.notes) {
    if (tally.notes.length < notesMax) tally.notes.push({ ...note, pointer: `${at}${note.pointer}` })
  }
}
