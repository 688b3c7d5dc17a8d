import { concat, fromBase64, utf8 } from '../base/bytes.ts'
import { isArray, isObject, type Json } from './json.ts'

/**
 * DSSE v1 pre-authentication encoding: the bytes that a DSSE signature covers.
 *
 * `"DSSEv1" SP LEN(type) SP type SP LEN(body) SP body`, where `LEN` is the number of bytes in ASCII decimal.
 */
export function pae(payloadType: string, payload: Uint8Array): Uint8Array {
  const type = utf8(payloadType)
  return concat(utf8(`DSSEv1 ${type.length} ${payloadType} ${payload.length} `), payload)
}

/** A DSSE v1 envelope, its payload decoded. */
export interface Envelope {
  readonly payloadType: string
  readonly payload: Uint8Array
  /** The payload as it is spelled: some emitters sign this text in place of the bytes. */
  readonly payloadText: string
  readonly signatures: readonly EnvelopeSignature[]
}

export interface EnvelopeSignature {
  /** A hint, unsigned. */
  readonly keyid?: string
  /** Base64, as spelled. */
  readonly sig: string
}

export type EnvelopeParse =
  | { readonly ok: true; readonly envelope: Envelope }
  | {
      readonly ok: false
      /** `shape`: not the members of an envelope. `encoding`: the payload is not base64 in its one padded spelling. */
      readonly problem: 'shape' | 'encoding'
    }

/** The envelope that a JSON value is. Members that DSSE does not know are left alone; who judges the record names them. */
export function parseEnvelope(value: Json): EnvelopeParse {
  if (!isObject(value)) return { ok: false, problem: 'shape' }
  const { payloadType, payload: payloadText, signatures } = value
  if (typeof payloadType !== 'string' || typeof payloadText !== 'string' || !isArray(signatures)) {
    return { ok: false, problem: 'shape' }
  }
  if (!signatures.every(isSignature)) return { ok: false, problem: 'shape' }
  const payload = fromBase64(payloadText)
  if (payload === undefined) return { ok: false, problem: 'encoding' }
  return { ok: true, envelope: { payloadType, payload, payloadText, signatures } }
}

function isSignature(value: Json): value is { keyid?: string; sig: string } {
  if (!isObject(value) || typeof value['sig'] !== 'string') return false
  return value['keyid'] === undefined || typeof value['keyid'] === 'string'
}
