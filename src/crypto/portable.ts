import { getPublicKey, hashes, Point, sign } from '@noble/ed25519'
import { sha256, sha512 } from '@noble/hashes/sha2.js'
import { hex } from '../base/bytes.ts'
import { isAcceptable } from './point.ts'
import type { Suite } from './suite.ts'

/**
 * `Suite` in JavaScript alone, for browsers and for checking `node.ts`. About 20 times slower than OpenSSL.
 */
export const portableSuite: Suite = {
  sha256: digestOf,
  sha256Hex: (...parts) => hex(digestOf(...parts)),
  verify: (publicKey, message, signature) =>
    isAcceptable(publicKey, signature) && equationHolds(publicKey, message, signature),
  publicKey: seed => getPublicKey(seed),
  sign: (seed, message) => sign(message, seed),
}

hashes.sha512 = sha512

function digestOf(...parts: readonly Uint8Array[]): Uint8Array {
  const digest = sha256.create()
  for (const part of parts) digest.update(part)
  return digest.digest()
}

/**
 * RFC 8032 section 5.1.7 without the cofactor: whether the bytes of [S]B - [k]A are those of R. The library's own
 * `verify` multiplies both sides by 8 and decodes R, so it takes signatures that OpenSSL refuses.
 */
function equationHolds(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  const a = decodePoint(publicKey)
  if (a === undefined) return false
  const r = signature.subarray(0, 32)
  const s = littleEndian(signature.subarray(32))
  const k = littleEndian(sha512.create().update(r).update(publicKey).update(message).digest()) % Point.CURVE().n
  const expected = Point.BASE.multiply(s, false).subtract(a.multiply(k, false)).toBytes()
  return expected.every((byte, i) => byte === r[i])
}

function decodePoint(bytes: Uint8Array): Point | undefined {
  try {
    return Point.fromBytes(bytes)
  } catch {
    return undefined
  }
}

function littleEndian(bytes: Uint8Array): bigint {
  let value = 0n
  for (let i = bytes.length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i] ?? 0)
  return value
}
