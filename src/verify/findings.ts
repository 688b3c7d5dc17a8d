/**
 * Everything the verifier can have to say, in one table: reports, exit codes and `docs/verify.md` read it from here.
 *
 * `fail`: the ledger is not what its keys vouched for, or contradicts itself. `incomplete`: a check that was asked for
 * could not be made. `warn`: kept and true, but worth a look; it moves no verdict.
 */

export const axes = ['structure', 'signature', 'chain', 'completeness', 'semantics', 'time'] as const
export type Axis = (typeof axes)[number]
export type Severity = 'fail' | 'incomplete' | 'warn'

interface FindingKind {
  readonly axis: Axis
  readonly severity: Severity
  /** What it is, in a few words: the same for every occurrence. */
  readonly title: string
  /** What it says about the ledger. */
  readonly meaning: string
  /** What the person who meets it should do. */
  readonly todo: string
}

const compareCopies = 'Compare with a backup, an export or a receipt: they say what stood here.'
const askOperator = 'Ask who runs the ledger; keep this report and a copy of the source as they are.'

export const findingKinds = {
  'envelope-malformed': {
    axis: 'structure',
    severity: 'fail',
    title: 'What stands here is no entry envelope',
    meaning: 'The source could not read an entry and its signature from this place.',
    todo: compareCopies,
  },
  'entry-too-large': {
    axis: 'structure',
    severity: 'fail',
    title: 'The entry is over 65,535 bytes',
    meaning: 'No ledger seals an entry of this size.',
    todo: compareCopies,
  },
  'entry-malformed': {
    axis: 'structure',
    severity: 'fail',
    title: 'The bytes are no entry',
    meaning: 'They are not JSON with exactly the members of an aep-ledger/v1 entry, so nothing in them is believed.',
    todo: compareCopies,
  },
  'entry-not-canonical': {
    axis: 'structure',
    severity: 'fail',
    title: 'The entry is not in its one spelling',
    meaning: 'Its bytes are not the RFC 8785 form of what they say, and could be read in two ways.',
    todo: compareCopies,
  },
  'event-malformed': {
    axis: 'structure',
    severity: 'fail',
    title: 'The event has no identity',
    meaning: 'The event lacks a source, id, type or time of its own, or is of a type that no ledger keeps.',
    todo: askOperator,
  },
  'keys-missing': {
    axis: 'signature',
    severity: 'incomplete',
    title: 'No key was given to trust',
    meaning: 'Signatures were checked, if at all, against the key that the ledger names itself, which proves nothing.',
    todo: 'Get the ledger key from somebody you trust and pass it with --keys.',
  },
  'signature-invalid': {
    axis: 'signature',
    severity: 'fail',
    title: 'The signature does not hold',
    meaning: 'The entry or its signature was changed after it was signed.',
    todo: compareCopies,
  },
  'key-unknown': {
    axis: 'signature',
    severity: 'fail',
    title: 'Signed under a key that nobody vouched for',
    meaning: 'The key is neither among the pinned ones nor introduced by an entry under a trusted key.',
    todo: 'If you pinned too few keys, pin the first one; else treat the entry as forged.',
  },
  'key-not-valid': {
    axis: 'signature',
    severity: 'fail',
    title: 'Signed under a key that was not valid at this place',
    meaning: 'The entries before say that the key had been rotated out or revoked, or was not yet in use.',
    todo: 'Treat the entry as forged by whoever holds the old key.',
  },
  'key-compromised': {
    axis: 'signature',
    severity: 'incomplete',
    title: 'Entries under a key that was stolen',
    meaning: 'The ledger itself says that, from a place on, somebody else may have signed with this key.',
    todo: 'Pin a head that you trust from behind these entries: --head.',
  },
  'seq-gap': {
    axis: 'chain',
    severity: 'fail',
    title: 'Entries are missing',
    meaning: 'Every seq from 0 on has one entry; here the next one is further on.',
    todo: compareCopies,
  },
  'seq-repeated': {
    axis: 'chain',
    severity: 'fail',
    title: 'An entry stands again, or too late',
    meaning: 'An entry with a seq that was passed already stands at this place.',
    todo: compareCopies,
  },
  'seq-mismatch': {
    axis: 'chain',
    severity: 'fail',
    title: 'The entry says another place than it stands at',
    meaning: 'It was moved here from elsewhere, or its bytes were changed.',
    todo: compareCopies,
  },
  'ledger-mismatch': {
    axis: 'chain',
    severity: 'fail',
    title: 'The entry is of another ledger',
    meaning: 'It names another ledger than the one being verified.',
    todo: compareCopies,
  },
  'chain-broken': {
    axis: 'chain',
    severity: 'fail',
    title: 'The entry does not follow the one before',
    meaning:
      'Its `prev` is not the leaf hash of the entry before: one of the two was changed, or the history forks here.',
    todo: compareCopies,
  },
  'recorded-at-backwards': {
    axis: 'chain',
    severity: 'fail',
    title: 'The ledger’s own time goes backwards',
    meaning: '`recorded_at` never decreases within a ledger.',
    todo: askOperator,
  },
  'genesis-wrong': {
    axis: 'chain',
    severity: 'fail',
    title: 'The ledger does not begin as a ledger does',
    meaning:
      'The entry at seq 0 is not the ledger’s own aep.ledger.created under this name and the key that signed it.',
    todo: askOperator,
  },
  'head-missing': {
    axis: 'completeness',
    severity: 'fail',
    title: 'The pinned head is not there',
    meaning: 'The ledger ends before the place that was seen earlier: its tail was cut off.',
    todo: compareCopies,
  },
  'head-mismatch': {
    axis: 'completeness',
    severity: 'fail',
    title: 'Another entry stands at the pinned head',
    meaning: 'History up to the pinned place was rewritten, by somebody who can sign.',
    todo: askOperator,
  },
  'checkpoint-missing': {
    axis: 'completeness',
    severity: 'fail',
    title: 'The ledger is shorter than its checkpoint',
    meaning: 'The checkpoint vouches for more entries than there are: the tail was cut off.',
    todo: compareCopies,
  },
  'checkpoint-mismatch': {
    axis: 'completeness',
    severity: 'fail',
    title: 'The entries are not those of the checkpoint',
    meaning: 'The Merkle root over the first entries is not the checkpoint’s: history was rewritten.',
    todo: askOperator,
  },
  'receipt-missing': {
    axis: 'completeness',
    severity: 'fail',
    title: 'A receipt’s entry is not there',
    meaning: 'The ledger acknowledged an entry at a place that it no longer has.',
    todo: askOperator,
  },
  'receipt-mismatch': {
    axis: 'completeness',
    severity: 'fail',
    title: 'A receipt names another entry',
    meaning: 'The ledger acknowledged another entry at this place than the one that stands there.',
    todo: askOperator,
  },
  'record-missing': {
    axis: 'completeness',
    severity: 'fail',
    title: 'A record kept beside the log is gone',
    meaning: 'The entry names a record by its digest, and the source, which keeps records, does not have it.',
    todo: compareCopies,
  },
  'record-mismatch': {
    axis: 'completeness',
    severity: 'fail',
    title: 'A record kept beside the log was changed',
    meaning: 'Its bytes are not those whose digest and length the entry names.',
    todo: compareCopies,
  },
  'record-unchecked': {
    axis: 'completeness',
    severity: 'incomplete',
    title: 'A record kept beside the log could not be looked at',
    meaning: 'The entry names a record by its digest, and this source carries no records.',
    todo: 'Verify the data directory, or give the folder with the exported records: --records DIR.',
  },
  'source-head': {
    axis: 'completeness',
    severity: 'fail',
    title: 'The source’s own head is not its last entry',
    meaning:
      'The store says that the ledger ends elsewhere than its entries do: its tail was cut off, or its head changed.',
    todo: compareCopies,
  },
  'source-head-unreadable': {
    axis: 'completeness',
    severity: 'fail',
    title: 'The source’s own head can’t be read',
    meaning:
      'The store lists the ledger, and what it keeps as its head is none, so that nothing in the store says where it ends.',
    todo: compareCopies,
  },
  'gap-declared': {
    axis: 'completeness',
    severity: 'warn',
    title: 'An emitter says that it gave events up',
    meaning: 'The emitter could not deliver these events and signed off on the hole.',
    todo: 'Ask the gateway’s operator what was lost.',
  },
  'sequence-hole': {
    axis: 'completeness',
    severity: 'warn',
    title: 'An emitter’s own numbering has a hole',
    meaning: 'Events that the emitter numbered are not in this ledger, and no aep.gap declares them.',
    todo: 'Ask the gateway’s operator: events were left out, or are still on their way.',
  },
  'sequences-unchecked': {
    axis: 'completeness',
    severity: 'incomplete',
    title: 'Too many emitters or holes to follow',
    meaning: 'The emitters’ own numbering was followed only up to a limit of memory.',
    todo: 'Raise the limit: --sequences-max.',
  },
  'key-entry-invalid': {
    axis: 'semantics',
    severity: 'fail',
    title: 'A key entry contradicts itself or the key history',
    meaning:
      'The key’s id is not the digest of the key, or the change it states does not follow from the entries before.',
    todo: askOperator,
  },
  'created-again': {
    axis: 'semantics',
    severity: 'fail',
    title: 'The ledger is created a second time',
    meaning: 'aep.ledger.created stands at seq 0 and nowhere else.',
    todo: askOperator,
  },
  'ledger-voice': {
    axis: 'semantics',
    severity: 'fail',
    title: 'A token and the ledger are confused',
    meaning: 'Only the ledger itself writes aep.ledger.* events, and it writes no others.',
    todo: askOperator,
  },
  'intake-inconsistent': {
    axis: 'semantics',
    severity: 'fail',
    title: 'What the ledger established does not fit the event',
    meaning: 'The verdict of intake on a signature cannot be about this event.',
    todo: askOperator,
  },
  'identity-repeated': {
    axis: 'semantics',
    severity: 'fail',
    title: 'An event has two places',
    meaning: 'An event’s source and id are its identity for ever, and have one entry.',
    todo: askOperator,
  },
  'identities-unchecked': {
    axis: 'semantics',
    severity: 'incomplete',
    title: 'Too many events to look for repeats among',
    meaning: 'Repeated identities were looked for only up to a limit of memory.',
    todo: 'Raise the limit: --identities-max.',
  },
  'conflict-recorded': {
    axis: 'semantics',
    severity: 'warn',
    title: 'An identity came again with other content',
    meaning: 'The ledger kept the first event and recorded the digest of the other.',
    todo: 'Ask the emitter why one id stands for two events.',
  },
  'conflict-invalid': {
    axis: 'semantics',
    severity: 'fail',
    title: 'A conflict entry is about nothing in this ledger',
    meaning: 'It names a place that does not come before it.',
    todo: askOperator,
  },
  'time-future': {
    axis: 'time',
    severity: 'warn',
    title: 'The event’s time is later than its recording',
    meaning: 'The emitter’s clock runs ahead, or the time was made up.',
    todo: 'Check the emitter’s clock.',
  },
  'time-old': {
    axis: 'time',
    severity: 'warn',
    title: 'The event was long under way',
    meaning: 'Between its time and its recording lies more than a day: a spool or a replayed stream.',
    todo: 'Expected after an outage or an import; else ask the emitter.',
  },
  'time-order': {
    axis: 'time',
    severity: 'warn',
    title: 'The event is earlier than the one before of its source',
    meaning: 'The emitter sent events out of order, or set its clock back.',
    todo: 'Expected where an emitter sends in parallel; else check its clock.',
  },
} as const satisfies Record<string, FindingKind>

export type FindingCode = keyof typeof findingKinds

/** One thing that the verifier has to say. */
export interface Finding {
  readonly code: FindingCode
  readonly axis: Axis
  readonly severity: Severity
  readonly ledger: string
  /** The place it is about: the seq expected there. Absent where it is about the ledger as a whole. */
  readonly seq?: number
  readonly expected?: string
  readonly found?: string
  /** What happened this time, in one sentence. */
  readonly cause: string
}

/** What a check says: the table adds axis and severity, and the verifier ledger and place. */
export interface Remark {
  readonly code: FindingCode
  readonly cause: string
  readonly expected?: string
  readonly found?: string
}

/** Takes what a check has to say. */
export type Say = (remark: Remark) => void

/** The finding that a remark makes at a place. */
export function finding(ledger: string, seq: number | undefined, remark: Remark): Finding {
  const { code, cause, expected, found } = remark
  const { axis, severity } = findingKinds[code]
  return {
    code,
    axis,
    severity,
    ledger,
    ...(seq === undefined ? {} : { seq }),
    ...(expected === undefined ? {} : { expected }),
    ...(found === undefined ? {} : { found }),
    cause,
  }
}
