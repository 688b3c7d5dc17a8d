import { isLedgerEventType } from '../aep/event/schema.ts'
import { emitterSigVerdict, recordSigVerdict } from '../aep/event/signature.ts'
import type { KeyRing } from '../aep/keyring.ts'
import type { Suite } from '../crypto/suite.ts'
import type { Entry } from '../ledger/decode.ts'
import { type EmitterTerm, emitterKeysAt } from '../projections/emitters.ts'
import type { Say } from './findings.ts'

/** Token id under which the ledger itself writes. */
export const ledgerVoice = 'ledger'

/** Whose signatures counted at a place of the ledger, and before it. */
export interface EmitterRings {
  readonly inForce: KeyRing
  /** Every ring that was in force at an earlier place, the newest first; the last is that of no emitter at all. */
  earlier(): readonly KeyRing[]
}

/** The rings of the terms that the entries before a place have begun and ended. Cost of `earlier`: a ring a change, once. */
export function emitterRings(terms: readonly EmitterTerm[]): EmitterRings {
  const changes = terms.flatMap(({ fromSeq, toSeq }) => (toSeq === undefined ? [fromSeq] : [fromSeq, toSeq + 1]))
  let rings: readonly KeyRing[] | undefined
  return {
    inForce: emitterKeysAt({ terms }, Number.MAX_SAFE_INTEGER),
    earlier: () => {
      rings ??= [...new Set([0, ...changes])].sort((a, b) => b - a).map(seq => emitterKeysAt({ terms }, seq))
      return rings
    },
  }
}

/**
 * Whether what the ledger established at intake can be true of the event. Verdicts on signatures are made again, with the
 * keys of the emitters that entries before have registered. Cost: nothing for an unsigned event, else a verification.
 */
export function checkIntake(suite: Suite, entry: Entry, emitters: EmitterRings, say: Say): void {
  const { event, intake } = entry
  if (isLedgerEventType(event.type) !== (intake.by === ledgerVoice)) {
    const cause = 'The ledger writes events of its own types, tokens those of all other types.'
    say({
      code: 'ledger-voice',
      cause,
      expected: isLedgerEventType(event.type) ? ledgerVoice : 'a token',
      found: intake.by,
    })
  }
  compare(say, 'emitter_sig', intake.emitter_sig, emitters, keys => emitterSigVerdict(event, keys, suite))
  // A record beside the log is judged where it is looked up.
  const beside = event.type === 'aep.record' && !('record' in event.data)
  if (!beside) compare(say, 'record_sig', intake.record_sig, emitters, keys => recordSigVerdict(event, keys, suite))
}

type Told = Entry['intake']['emitter_sig'] | Entry['intake']['record_sig']

/**
 * Holds a verdict of intake against the one made now. The door judges an event before it has its place, and an emitter may
 * be registered, registered anew or revoked in between: a verdict holds when it is what the signature gives under the keys
 * in force at the event's place, or under those in force at some place before it. No other keys could have been at hand.
 */
export function compare(
  say: Say,
  member: string,
  told: Told,
  emitters: EmitterRings,
  make: (keys: KeyRing) => Told,
): void {
  const made = make(emitters.inForce)
  if (told === made || emitters.earlier().some(keys => make(keys) === told)) return
  const cause = `The ${member} that the ledger established is not what the signature says.`
  say({ code: 'intake-inconsistent', cause, expected: made, found: told })
}
