import { isLedgerEventType } from '../aep/event/schema.ts'
import { emitterSigVerdict, recordSigVerdict } from '../aep/event/signature.ts'
import type { KeyRing } from '../aep/keyring.ts'
import type { Suite } from '../crypto/suite.ts'
import type { Entry } from '../ledger/decode.ts'
import type { Say } from './findings.ts'

/** Token id under which the ledger itself writes. */
export const ledgerVoice = 'ledger'

/**
 * Whether what the ledger established at intake can be true of the event. Verdicts on signatures are made again, with the
 * keys of the emitters that entries before have registered. Cost: nothing for an unsigned event, else a verification.
 */
export function checkIntake(suite: Suite, entry: Entry, emitters: KeyRing, say: Say): void {
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
  compare(say, 'emitter_sig', intake.emitter_sig, emitterSigVerdict(event, emitters, suite))
  // A record beside the log is judged where it is looked up.
  const beside = event.type === 'aep.record' && !('record' in event.data)
  if (!beside) compare(say, 'record_sig', intake.record_sig, recordSigVerdict(event, emitters, suite))
}

type Told = Entry['intake']['emitter_sig'] | Entry['intake']['record_sig']

/**
 * Holds a verdict of intake against the one made now. A key that was unknown at intake may have been registered before
 * the event got its place; every other difference is none that keys or time could make.
 */
export function compare(say: Say, member: string, told: Told, made: Told): void {
  if (told === made) return
  if (told === 'key_unknown' && (made === 'valid' || made === 'invalid')) return
  const cause = `The ${member} that the ledger established is not what the signature says.`
  say({ code: 'intake-inconsistent', cause, expected: made, found: told })
}
