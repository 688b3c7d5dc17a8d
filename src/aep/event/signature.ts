import { fromBase64, utf8 } from '../../base/bytes.ts'
import type { Suite } from '../../crypto/suite.ts'
import { canonicalText } from '../canonical.ts'
import { pae } from '../dsse.ts'
import type { Json } from '../json.ts'
import type { KeyRing, TrustedKey } from '../keyring.ts'
import { recordSignature } from '../record/signature.ts'
import { momentMs } from '../time.ts'
import type { AepEvent } from './schema.ts'

/** DSSE payload type under which an emitter signs its event. */
export const eventPayloadType = 'application/cloudevents+json'

/** The bytes that `emittersig` covers: the DSSE encoding of the event's RFC 8785 bytes without `emittersig` itself. */
export function emitterSigningInput(event: AepEvent): Uint8Array {
  const { emittersig: _, ...signed } = event
  return pae(eventPayloadType, utf8(canonicalText(signed as Json)))
}

/**
 * What the emitter's own signature is worth: `absent` where there is none, `key_unknown` where no trusted key of that id is
 * for the event's source and in force at its time, `invalid` for anything else that does not verify. Cost: one canonical form and, at most,
 * one verification a key of that id.
 */
export function emitterSigVerdict(
  event: AepEvent,
  keys: KeyRing,
  suite: Suite,
): 'absent' | 'valid' | 'invalid' | 'key_unknown' {
  if (event.emittersig === undefined) return 'absent'
  const signature = fromBase64(event.emittersig)
  if (signature?.length !== 64) return 'invalid'
  const known = (keys.get(event.emitterkeyid ?? '') ?? []).filter(key => isFor(key, event) && isInForce(key, event))
  if (known.length === 0) return 'key_unknown'
  const message = emitterSigningInput(event)
  const valid = known.some(({ publicKey }) => suite.verify(publicKey, message, signature))
  return valid ? 'valid' : 'invalid'
}

/**
 * What the signature of the record inside an `aep.record` is worth; `not_a_record` for every other type. A record that is
 * kept beside the log has to be passed as `text`: without it, and without its text in the event, nothing vouches for it.
 */
export function recordSigVerdict(
  event: AepEvent,
  keys: KeyRing,
  suite: Suite,
  text?: string | Uint8Array,
): 'not_a_record' | 'absent' | 'valid' | 'invalid' | 'key_unknown' {
  if (event.type !== 'aep.record') return 'not_a_record'
  const record = text ?? ('record' in event.data ? event.data.record : undefined)
  return record === undefined ? 'absent' : recordSignature(record, keys, suite)
}

const isFor = ({ sources = [] }: TrustedKey, { source }: AepEvent): boolean =>
  sources.length === 0 || sources.some(prefix => source.startsWith(prefix))

/** A key with a window signs only within it, by the event's own time; an event without one is in no window. */
function isInForce({ notBeforeMs, notAfterMs }: TrustedKey, { time }: AepEvent): boolean {
  if (notBeforeMs === undefined && notAfterMs === undefined) return true
  const atMs = time === undefined ? undefined : momentMs(time)
  if (atMs === undefined) return false
  return atMs >= (notBeforeMs ?? atMs) && atMs <= (notAfterMs ?? atMs)
}
