import { fromBase64 } from '../../base/bytes.ts'
import { isCanonicalPoint, isCanonicalScalar, isOnCurve, isSmallOrder } from '../../crypto/point.ts'
import type { Suite } from '../../crypto/suite.ts'
import type { KeyRing, TrustedKey } from '../keyring.ts'
import type { ReasonClass } from './classes.ts'

/** One Ed25519 signature as a record or an envelope states it. */
export interface Claim {
  /** `undefined` where the envelope leaves it out: then any trusted key may be the one. */
  readonly keyId: string | undefined
  /** Base64, as spelled. */
  readonly sig: string
}

export interface Checking {
  readonly keys: KeyRing
  readonly suite: Suite
  /** Whether to look for the reason of a mismatch, at the cost of a few more verifications. */
  readonly explain: boolean
  /** How many verifications may still be made, where whoever wrote the claims could ask for any number of them. */
  readonly tries?: { left: number }
}

export interface Fault {
  readonly reason: ReasonClass
  readonly detail: string
}

export type Outcome =
  | {
      readonly verified: true
      /** Which of the messages it signs. */
      readonly message: number
      readonly key: TrustedKey
    }
  | { readonly verified: false; readonly faults: readonly Fault[] }

/** What the emitter's `build()` leaves in place of a signature. */
export const unsignedPlaceholder = 'UNSIGNED_PLACEHOLDER'

/**
 * Whether a claimed signature is one of any of `messages` by a key of the ring that its key id names, and else every reason
 * why not. Cost: one verification for each message and key of that id until one holds, or until `tries` are used up.
 */
export function checkClaim(claim: Claim, messages: readonly Uint8Array[], checking: Checking): Outcome {
  const { keys, explain, tries } = checking
  const candidates = claim.keyId === undefined ? [...keys.values()].flat() : (keys.get(claim.keyId) ?? [])
  const faults: Fault[] = []
  if (candidates.length === 0)
    faults.push({ reason: 'key-unknown', detail: `no trusted key has the id ${claim.keyId}` })
  const signature = decodeSignature(claim.sig, faults)
  if (signature === undefined || candidates.length === 0) return { verified: false, faults }

  const sound = candidates.filter(key => isUsable(key, faults))
  for (const key of sound) {
    const message = messages.findIndex(bytes => holds(key, bytes, signature, checking))
    if (message >= 0) return { verified: true, message, key }
  }
  if (sound.length > 0 && tries?.left === 0) {
    faults.push({ reason: 'signature-limit', detail: 'too many signatures and keys to try: say which key it is' })
  } else if (sound.length > 0) {
    faults.push({ reason: 'signature-mismatch', detail: 'the signature is not one of this content' })
    if (explain) explainMismatch(claim, signature, messages, checking, sound, faults)
  }
  return { verified: false, faults }
}

function holds({ publicKey }: TrustedKey, message: Uint8Array, signature: Uint8Array, checking: Checking): boolean {
  const { suite, tries } = checking
  if (tries?.left === 0) return false
  if (tries !== undefined) tries.left -= 1
  return suite.verify(publicKey, message, signature)
}

/** The 64 bytes of a signature spelled in the one padded standard base64, S below the group order. */
function decodeSignature(sig: string, faults: Fault[]): Uint8Array | undefined {
  const fault = (reason: ReasonClass, detail: string) => {
    faults.push({ reason, detail })
    return undefined
  }
  if (sig === unsignedPlaceholder) fault('unsigned', 'the emitter left its placeholder in place of a signature')
  const bytes = fromBase64(sig)
  if (bytes === undefined) return fault('signature-encoding', 'the signature is not padded standard base64')
  if (bytes.length !== 64) return fault('signature-length', `the signature has ${bytes.length} bytes, not 64`)
  if (!isCanonicalScalar(bytes.subarray(32))) {
    return fault('signature-noncanonical-s', 'S of the signature is not below the group order')
  }
  return bytes
}

function isUsable({ publicKey, keyId }: TrustedKey, faults: Fault[]): boolean {
  const before = faults.length
  if (publicKey.length !== 32) {
    faults.push({ reason: 'key-invalid', detail: `the key ${keyId} has ${publicKey.length} bytes, not 32` })
    return false
  }
  if (isSmallOrder(publicKey)) faults.push({ reason: 'key-small-order', detail: `the key ${keyId} is of small order` })
  if (!isCanonicalPoint(publicKey)) {
    faults.push({ reason: 'key-noncanonical', detail: `the key ${keyId} spells its point in another way than the one` })
  }
  return faults.length === before
}

const otherKeysMax = 16

function explainMismatch(
  { keyId }: Claim,
  signature: Uint8Array,
  messages: readonly Uint8Array[],
  checking: Checking,
  tried: readonly TrustedKey[],
  faults: Fault[],
): void {
  if (!tried.every(({ publicKey }) => isOnCurve(publicKey))) {
    faults.push({ reason: 'key-invalid', detail: `the key ${keyId} is no point of the curve` })
  }
  const others = [...checking.keys.values()].flat().filter(key => !tried.includes(key))
  const another = others
    .slice(0, otherKeysMax)
    .find(key => messages.some(bytes => holds(key, bytes, signature, checking)))
  if (another) faults.push({ reason: 'key-id-mismatch', detail: `the key ${another.keyId} made the signature` })
}
