import type { Suite } from '../../crypto/suite.ts'
import { isArray, isObject, type Json, type JsonLimits, type JsonObject, parseJson } from '../json.ts'
import type { KeyRing, TrustedKey } from '../keyring.ts'
import { absorb, name, newTally, refuse, type Tally, verdictOf } from './classes.ts'
import { canonicalBytes, contentOf, without } from './content.ts'
import { judgeEnvelope } from './envelope.ts'
import { nameProof, proofOf } from './proof.ts'
import { type Checking, checkClaim, unsignedPlaceholder } from './verification.ts'

/** What a ledger keeps about a record's own signature. */
export type SignatureVerdict = 'absent' | 'valid' | 'invalid' | 'key_unknown'

/**
 * What the signature of an AEP record is worth, whatever its content: `absent` where nobody signed it, `key_unknown` where
 * that is all that is wrong, `invalid` for anything else, a text that has no one reading included.
 *
 * Cost beside the verification: one parse and one canonical form (about 15 us a KB); a legacy envelope verifies twice.
 */
export function recordSignature(
  text: string | Uint8Array,
  keys: KeyRing,
  suite: Suite,
  limits: Partial<JsonLimits> = {},
): SignatureVerdict {
  const parsed = parseJson(text, { ...limits, loneSurrogates: 'keep' })
  const record = parsed.ok ? parsed.value : parsed.reading
  if (!isObject(record)) return 'invalid'
  if (isUnsigned(record)) return 'absent'
  if (!parsed.ok) return 'invalid'
  const tally = newTally()
  judgeSignature(record, { keys, suite, explain: false }, limits, tally)
  if (tally.reasons.size === 0) return 'valid'
  return tally.reasons.size === 1 && tally.reasons.has('key-unknown') ? 'key_unknown' : 'invalid'
}

function isUnsigned(record: JsonObject): boolean {
  const block = record['signature']
  return record['dsse_envelope'] === undefined && (block === undefined || sigOf(block) === unsignedPlaceholder)
}

const sigOf = (block: unknown) => (isObject(block as JsonObject) ? (block as JsonObject)['sig'] : undefined)

/**
 * Judges who vouches for a record, and returns the trusted keys that do. A v0.4 record is vouched for by its envelope, any
 * other by its signature block; both are judged where both stand, and have to agree.
 */
export function judgeSignature(
  record: JsonObject,
  checking: Checking,
  limits: Partial<JsonLimits>,
  tally: Tally,
): readonly TrustedKey[] {
  const enveloped = record['dsse_envelope'] !== undefined
  if (!enveloped) return judgeBlock(record, checking, tally)
  const { keys, predicate } = judgeEnvelope(record, checking, limits, tally)
  const proof = proofOf(record)
  if (proof) {
    const contents = [...(predicate ? [predicate] : []), contentOf(record)]
    const bare = contents.map(content => without(content, 'timestamp_proof'))
    nameProof(proof, predicate?.['timestamp_proof'] !== undefined, bare, checking.suite, tally)
  }
  judgeBlockBesideEnvelope(record, checking, tally)
  // Only v0.4 has envelopes: whoever hangs one on an older record cannot spare it the signature of its own.
  return isOlder(record) ? [...keys, ...judgeBlock(record, checking, tally)] : keys
}

const isOlder = ({ schema_version: version }: JsonObject) =>
  version === 'aep/v0.1' || version === 'aep/v0.2' || version === 'aep/v0.3'

/**
 * The emitter repeats the envelope's signature in the block. A block that is none of the envelope's signatures has to be one
 * over the record itself, as v0.3 was signed; where it is not, all that is wrong with it is said.
 */
function judgeBlockBesideEnvelope(record: JsonObject, checking: Checking, tally: Tally): void {
  const { signature: block, dsse_envelope: envelope } = record
  if (block === undefined) {
    refuse(tally, 'signature-missing', '/signature', 'the record has no signature block')
    return
  }
  const signatures = isObject(envelope) ? envelope['signatures'] : undefined
  if (isObject(block) && isArray(signatures) && signatures.some(one => isSame(block, one))) {
    judgeAlg(block, tally)
    return
  }
  const alone = newTally()
  if (!isOlder(record)) judgeBlock(record, checking, alone)
  if (!isOlder(record) && alone.reasons.size === 0) return
  refuse(tally, 'signature-block-inconsistent', '/signature', 'the block is none of the envelope signatures')
  absorb(tally, { ...verdictOf(alone), findings: [] }, '')
}

const isSame = ({ sig, key_id: keyId }: JsonObject, one: Json) =>
  isObject(one) && one['sig'] === sig && one['keyid'] === keyId

function judgeAlg({ alg }: JsonObject, tally: Tally): boolean {
  if (alg === 'ed25519') return true
  refuse(tally, 'signature-alg', '/signature/alg', 'only ed25519 is known')
  return false
}

/** The signature over the reference form of the record, with its `timestamp_proof` or, as the emitter signs, without. */
function judgeBlock(record: JsonObject, checking: Checking, tally: Tally): readonly TrustedKey[] {
  const at = '/signature'
  const block = record['signature']
  if (block === undefined) {
    refuse(tally, 'signature-missing', at, 'the record has no signature')
    refuse(tally, 'unsigned', at, 'nobody vouches for the record')
    return []
  }
  if (!isObject(block)) {
    refuse(tally, 'schema', at, 'the signature is no object')
    return []
  }
  const { key_id: keyId, sig } = block
  if (!judgeAlg(block, tally) || typeof keyId !== 'string' || typeof sig !== 'string') return []

  const content = contentOf(record)
  const proof = proofOf(record)
  const bare = proof ? without(content, 'timestamp_proof') : content
  const messages = [canonicalBytes(bare), ...(proof ? [canonicalBytes(content)] : [])]
  const outcome = checkClaim({ keyId, sig }, messages, checking)
  if (outcome.verified) {
    if (proof) nameProof(proof, outcome.message === 1, [bare], checking.suite, tally)
    if (record['schema_version'] === 'aep/v0.4' && record['dsse_envelope'] === undefined) {
      name(tally, 'dsse-envelope-absent', '', 'a v0.4 record comes in an envelope; this one is signed as v0.3 was')
    }
    return [outcome.key]
  }
  for (const { reason, detail } of outcome.faults) refuse(tally, reason, at, detail)
  if (record['schema_version'] === 'aep/v0.4' && record['dsse_envelope'] === undefined) {
    refuse(tally, 'dsse-missing', '', 'a v0.4 record comes in an envelope')
  }
  return []
}
