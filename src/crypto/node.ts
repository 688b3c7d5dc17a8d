import { createHash, createPrivateKey, createPublicKey, hash, type KeyObject, sign, verify } from 'node:crypto'
import { isAcceptable } from './point.ts'
import type { Suite } from './suite.ts'

/**
 * `Suite` over OpenSSL. Its Ed25519 is cofactorless, compares R as bytes and refuses S >= L; whether it takes points of
 * small order and keys in other spellings depends on its version, so those are refused here first. Key objects are kept, since making one costs as much as using it.
 */
export const nodeSuite: Suite = {
  sha256(...parts) {
    const [only] = parts
    if (parts.length === 1 && only) return hash('sha256', only, 'buffer')
    const digest = createHash('sha256')
    for (const part of parts) digest.update(part)
    return digest.digest()
  },
  sha256Hex(...parts) {
    const [only] = parts
    return hash('sha256', parts.length === 1 && only ? only : joined(parts), 'hex')
  },
  verify(publicKey, message, signature) {
    if (!isAcceptable(publicKey, signature)) return false
    return verify(null, message, publicKeyObject(publicKey), signature)
  },
  publicKey: seed => rawPublicKey(privateKeyObject(seed)),
  sign: (seed, message) => sign(null, message, privateKeyObject(seed)),
}

const joint = new Uint8Array(1 << 17)

/** All parts in a row, good until the next call: hashing at once costs half of hashing part by part. */
function joined(parts: readonly Uint8Array[]): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.length, 0)
  const bytes = length <= joint.length ? joint.subarray(0, length) : new Uint8Array(length)
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}

/** DER around 32 raw bytes: SubjectPublicKeyInfo and PKCS #8 of Ed25519 (RFC 8410 sections 4 and 7). */
const spkiHead = Buffer.from('302a300506032b6570032100', 'hex')
const pkcs8Head = Buffer.from('302e020100300506032b657004220420', 'hex')

const publicKeysMax = 4096
const publicKeys = new Map<string, KeyObject>()

/** The key object of 32 bytes. OpenSSL doesn't look whether they are a point until it verifies. */
function publicKeyObject(publicKey: Uint8Array): KeyObject {
  const name = Buffer.from(publicKey.buffer, publicKey.byteOffset, 32).toString('latin1')
  const known = publicKeys.get(name)
  if (known) return known
  const key = createPublicKey({ key: Buffer.concat([spkiHead, publicKey]), format: 'der', type: 'spki' })
  // The oldest goes: a flood of new keys costs time, never memory.
  if (publicKeys.size >= publicKeysMax) publicKeys.delete(publicKeys.keys().next().value ?? '')
  publicKeys.set(name, key)
  return key
}

/** Key objects live as long as the caller's seed does, and no copy of a seed is made into a string. */
const privateKeys = new WeakMap<Uint8Array, { seed: Buffer; key: KeyObject }>()

function privateKeyObject(seed: Uint8Array): KeyObject {
  const known = privateKeys.get(seed)
  if (known?.seed.equals(seed)) return known.key
  if (seed.length !== 32) throw new RangeError(`an Ed25519 seed is 32 bytes, not ${seed.length}`)
  const key = createPrivateKey({ key: Buffer.concat([pkcs8Head, seed]), format: 'der', type: 'pkcs8' })
  privateKeys.set(seed, { seed: Buffer.from(seed), key })
  return key
}

const rawPublicKey = (key: KeyObject): Uint8Array =>
  new Uint8Array(createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(spkiHead.length))
