import { Point } from '@noble/ed25519'
import { sha512 } from '@noble/hashes/sha2.js'
import { concat, fromHex, hex, utf8 } from '../../src/base/bytes.ts'

/**
 * Signatures at the edges of Ed25519, and what the one acceptance rule says to each. Made here with the curve's own
 * arithmetic; those of RFC 8032 section 7.1 are quoted.
 */
export interface Ed25519Vector {
  readonly id: string
  readonly origin: string
  readonly about: string
  readonly public_hex: string
  readonly message_hex: string
  readonly signature_hex: string
  readonly valid: boolean
}

export function ed25519Vectors(): Ed25519Vector[] {
  return [...rfc8032(), ...scalars(), ...smallOrderKeys(), ...otherKeys(), ...torsion(), ...spelledR()]
}

const order = Point.CURVE().n

/** An ordinary key pair's scalar and point, of a name. */
function keyOf(name: string) {
  const scalar = littleEndian(sha512(utf8(name))) % order
  const point = Point.BASE.multiply(scalar)
  return { scalar, point, bytes: point.toBytes() }
}

const key = keyOf('edge key')
const nonce = littleEndian(sha512(utf8('edge nonce'))) % order
const message = utf8('a message at the edge')

/** S that answers R and A: r + k a, where k is the hash of all three. */
function response(r: bigint, rBytes: Uint8Array, aBytes: Uint8Array, m: Uint8Array): bigint {
  return (r + challenge(rBytes, aBytes, m) * key.scalar) % order
}

const challenge = (rBytes: Uint8Array, aBytes: Uint8Array, m: Uint8Array) =>
  littleEndian(sha512(concat(rBytes, aBytes, m))) % order

const plainR = Point.BASE.multiply(nonce).toBytes()
const plainS = response(nonce, plainR, key.bytes, message)

function vector(about: string, valid: boolean, parts: { a?: Uint8Array; m?: Uint8Array; r?: Uint8Array; s?: bigint }) {
  const { a = key.bytes, m = message, r = plainR, s = plainS } = parts
  return {
    id: `ed-${about.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-')}`,
    origin: 'made here',
    about,
    public_hex: hex(a),
    message_hex: hex(m),
    signature_hex: hex(concat(r, bytesOf(s))),
    valid,
  }
}

function* scalars(): Generator<Ed25519Vector> {
  yield vector('an ordinary signature', true, {})
  yield vector('S + L', false, { s: plainS + order })
  yield vector('S + 2 L', false, { s: plainS + 2n * order })
  yield vector('bit 253 of S set', false, { s: plainS | (1n << 253n) })
  yield vector('bit 255 of S set', false, { s: plainS | (1n << 255n) })
  yield vector('S = L', false, { s: order })
  yield vector('S = L - 1', false, { s: order - 1n })
  yield vector('another message', false, { m: utf8('another') })
  yield vector('an empty message', false, { m: new Uint8Array() })
}

/** Every spelling of a point of order 1, 2, 4 or 8, with R the identity and S 0, which [8] would let through. */
function* smallOrderKeys(): Generator<Ed25519Vector> {
  const eighth = [
    '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc',
    'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03',
  ]
  const spelled = [
    `01${'00'.repeat(31)}`,
    `01${'00'.repeat(30)}80`,
    '00'.repeat(32),
    `${'00'.repeat(31)}80`,
    ...['ec', 'ed', 'ee'].flatMap(low => [`${low}${'ff'.repeat(30)}7f`, `${low}${'ff'.repeat(31)}`]),
    ...['05', '85'].map(high => `${eighth[0]}${high}`),
    ...['7a', 'fa'].map(high => `${eighth[1]}${high}`),
  ]
  const identity = bytesOf(1n)
  for (const a of spelled) {
    yield vector(`a key of small order ${a.slice(0, 2)}..${a.slice(-2)}`, false, { a: bytes(a), r: identity, s: 0n })
  }
}

function* otherKeys(): Generator<Ed25519Vector> {
  const p = 2n ** 255n - 19n
  for (let y = 2n; y < 19n; y++) yield vector(`a key spelled y + p with y ${y}`, false, { a: bytesOf(y + p) })
  yield vector('a key that is no point', false, { a: bytesOf(2n) })
  yield vector('another key', false, { a: keyOf('another').bytes })
}

/** Parts of order 8 in A or in R: cofactored verifiers take them all, the equation without the cofactor some. */
function* torsion(): Generator<Ed25519Vector> {
  const eighth = Point.fromBytes(bytes('26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05'))
  const a = key.point.add(eighth).toBytes()
  for (const divisible of [false, true]) {
    const m = firstMessage(m => (challenge(plainR, a, m) % 8n === 0n) === divisible)
    const about = `a key with a part of order 8, challenge ${divisible ? '' : 'not '}divisible by 8`
    yield vector(about, divisible, { a, m, s: response(nonce, plainR, a, m) })
  }
  const r = Point.BASE.multiply(nonce).add(eighth).toBytes()
  yield vector('R with a part of order 8', false, { r, s: response(nonce, r, key.bytes, message) })
  // With such a key, [S]B - [k]A can be a point of small order itself, and R its right spelling.
  for (const [times, small] of multiplesOf(eighth)) {
    const m = firstMessage(m => (8n - (challenge(small, a, m) % 8n)) % 8n === times)
    yield vector(`R of small order, ${times} times a point of order 8`, false, {
      a,
      m,
      r: small,
      s: response(0n, small, a, m),
    })
  }
}

function* multiplesOf(eighth: Point): Generator<[bigint, Uint8Array]> {
  for (let times = 1n; times < 8n; times++) yield [times, eighth.multiply(times, false).toBytes()]
}

function* spelledR(): Generator<Ed25519Vector> {
  const identity = bytesOf(1n)
  yield vector('R the identity', false, { r: identity, s: response(0n, identity, key.bytes, message) })
  const another = bytes(`ee${'ff'.repeat(30)}7f`)
  yield vector('R the identity spelled y + p', false, { r: another, s: response(0n, another, key.bytes, message) })
  const negative = bytes(`01${'00'.repeat(30)}80`)
  yield vector('R the identity with a sign', false, { r: negative, s: response(0n, negative, key.bytes, message) })
}

function firstMessage(fits: (m: Uint8Array) => boolean): Uint8Array {
  for (let i = 0; ; i++) {
    const m = utf8(`message ${i}`)
    if (fits(m)) return m
  }
}

function* rfc8032(): Generator<Ed25519Vector> {
  const quoted = [
    [
      'TEST 1',
      'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
      '',
      'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
    ],
    [
      'TEST 2',
      '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c',
      '72',
      '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
    ],
    [
      'TEST 3',
      'fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025',
      'af82',
      '6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a',
    ],
    [
      'TEST SHA(abc)',
      'ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf',
      'ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f',
      'dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704',
    ],
  ] as const
  for (const [name, public_hex, message_hex, signature_hex] of quoted) {
    const id = `ed-rfc8032-${name.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-')}`
    yield { id, origin: 'RFC 8032 section 7.1', about: name, public_hex, message_hex, signature_hex, valid: true }
  }
}

const bytes = (text: string): Uint8Array => fromHex(text) ?? new Uint8Array()

function littleEndian(from: Uint8Array): bigint {
  let value = 0n
  for (const byte of from.toReversed()) value = (value << 8n) | BigInt(byte)
  return value
}

/** 32 bytes, little-endian. */
const bytesOf = (value: bigint): Uint8Array =>
  Uint8Array.from({ length: 32 }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn))
