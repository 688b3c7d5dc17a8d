/**
 * What the one acceptance rule asks of a public key and of a signature's S before any curve arithmetic (see `suite.ts`).
 * All of it is a look at the bytes, so both suites ask exactly the same.
 *
 * An Ed25519 point is 32 bytes, little-endian: y in the low 255 bits, the low bit of x in the highest (RFC 8032 section
 * 5.1.2). p = 2^255 - 19, L = 2^252 + 27742317777372353535851937790883648493.
 */

/**
 * Whether a verifier may use this key and this signature at all: a cheap check, to be followed by the equation. R of small
 * order is what Web Cryptography refuses and OpenSSL since 3.5 too; no signer makes one.
 */
export const isAcceptable = (publicKey: Uint8Array, signature: Uint8Array): boolean =>
  publicKey.length === 32 &&
  signature.length === 64 &&
  isCanonicalPoint(publicKey) &&
  !isSmallOrder(publicKey) &&
  !isSmallOrder(signature) &&
  isCanonicalScalar(signature.subarray(32))

/**
 * Whether 32 bytes are the one spelling of a point, should they be one: y < p, and no sign on x = 0, which is where
 * y = 1 or y = p - 1. Says nothing about the curve.
 */
export function isCanonicalPoint(point: Uint8Array): boolean {
  const y = magnitude(point)
  if (y === 'at-least-p') return false
  return (point[31] ?? 0) < 0x80 || (y !== 'one' && y !== 'p-minus-one')
}

/**
 * Whether the first 32 bytes name a point of order 1, 2, 4 or 8, in any spelling. Such a key makes [k]A vanish for some or
 * all messages, so that one signature fits many.
 */
export function isSmallOrder(point: Uint8Array): boolean {
  const y = magnitude(point)
  // y >= p spells y - p: 0 and 1 are the small-order ones among the 19 such values.
  if (y === 'at-least-p') return (point[0] ?? 0) === 0xed || (point[0] ?? 0) === 0xee
  return y === 'one' || y === 'p-minus-one' || isTorsion(point)
}

/** Whether 32 bytes, little-endian, are below L (RFC 8032 section 5.1.7 step 1). */
export function isCanonicalScalar(scalar: Uint8Array): boolean {
  for (let i = 31; i >= 0; i--) {
    const byte = scalar[i] ?? 0
    const limit = groupOrder[i] ?? 0
    if (byte !== limit) return byte < limit
  }
  return false
}

/**
 * Whether 32 bytes decode to a point of the curve: x^2 = (y^2 - 1) / (d y^2 + 1) has a root. About 0.1 ms: for telling
 * why a signature failed, not for verifying one.
 */
export function isOnCurve(point: Uint8Array): boolean {
  let y = 0n
  for (let i = 31; i >= 0; i--) y = (y << 8n) | BigInt(i === 31 ? (point[i] ?? 0) & 0x7f : (point[i] ?? 0))
  const y2 = (y * y) % p
  // A quotient is a square just when the product is; Euler's criterion.
  const root = power(((y2 - 1n + p) * (d * y2 + 1n)) % p, (p - 1n) / 2n)
  return root === 0n || root === 1n
}

const p = 2n ** 255n - 19n
const d = 0x52036cee2b6ffe738cc740797779e89800700a4d4141d8ab75eb4dca135978a3n

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n
  for (let square = base, bits = exponent; bits > 0n; bits >>= 1n, square = (square * square) % p) {
    if (bits & 1n) result = (result * square) % p
  }
  return result
}

/** L, little-endian. */
const groupOrder = Uint8Array.of(
  ...[0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14],
  ...[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10],
)

/** Where y lies, as far as the rule asks. */
function magnitude(point: Uint8Array): 'one' | 'p-minus-one' | 'at-least-p' | 'other' {
  const low = point[0] ?? 0
  const high = (point[31] ?? 0) & 0x7f
  if (low === 1 && high === 0 && middleIs(point, 0)) return 'one'
  if (low >= 0xec && high === 0x7f && middleIs(point, 0xff)) return low === 0xec ? 'p-minus-one' : 'at-least-p'
  return 'other'
}

function middleIs(point: Uint8Array, byte: number): boolean {
  for (let i = 1; i < 31; i++) if (point[i] !== byte) return false
  return true
}

/** y of the points of order 4 (0) and of order 8 (the two roots of which each other's sum is p), without the sign. */
const torsion = [
  new Uint8Array(32),
  Uint8Array.of(
    ...[0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0],
    ...[0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05],
  ),
  Uint8Array.of(
    ...[0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f],
    ...[0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a],
  ),
]

const isTorsion = (point: Uint8Array) =>
  torsion.some(y => y.every((byte, i) => byte === (i === 31 ? (point[i] ?? 0) & 0x7f : point[i])))
