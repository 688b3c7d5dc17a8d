import { base64, fromBase64, utf8 } from '../../base/bytes.ts'
import type { Suite } from '../../crypto/suite.ts'
import { isObject, type JsonObject } from '../json.ts'
import { name, type Tally } from './classes.ts'
import { canonicalBytes } from './content.ts'

/** The authority that the reference's own timestamper names: it has no key, its proof is a hash. */
const localAuthority = 'local-dev-tsa'

/**
 * Says how a record's `timestamp_proof` stands to its signature, and whether a local proof is one of this record:
 * `base64(sha256(signed bytes || timestamp))`. Proofs of other authorities are theirs to check; but 32 bytes can only be
 * such a hash, whoever is named.
 *
 * `contents` are the readings of the record, without the proof, that may have been stamped.
 */
export function nameProof(
  proof: JsonObject,
  signed: boolean,
  contents: readonly JsonObject[],
  suite: Suite,
  tally: Tally,
): void {
  const at = '/timestamp_proof'
  if (signed) name(tally, 'timestamp-proof-signed', at, 'the signature covers the proof')
  else name(tally, 'timestamp-proof-detached', at, 'the proof was attached after signing: the signature leaves it out')
  const { timestamp, authority, proof: stated } = proof
  if (typeof timestamp !== 'string' || typeof stated !== 'string') return
  if (authority !== localAuthority && fromBase64(stated)?.length !== 32) return
  const holds = contents.some(content => base64(suite.sha256(canonicalBytes(content), utf8(timestamp))) === stated)
  if (!holds) name(tally, 'timestamp-proof-mismatch', at, 'the proof is not the hash of this record and its timestamp')
}

export const proofOf = (record: JsonObject): JsonObject | undefined => {
  const proof = record['timestamp_proof']
  return isObject(proof) ? proof : undefined
}
