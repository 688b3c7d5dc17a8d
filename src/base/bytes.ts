/**
 * Bytes and their spellings: UTF-8, lower-case hex, and RFC 4648 base64.
 *
 * The decoders are strict: each accepts exactly one spelling of a byte string, and answers `undefined` for every other,
 * because a second spelling of signed bytes is a second thing to argue about.
 */

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The UTF-8 bytes of `text`. A lone surrogate becomes U+FFFD: refuse those before calling. */
export const utf8 = (text: string): Uint8Array => encoder.encode(text)

/** The text of UTF-8 `bytes`, with a byte order mark kept as U+FEFF; `undefined` when they are not UTF-8. */
export function textOf(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes)
  } catch {
    return undefined
  }
}

const hexOfByte = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

/** Lower-case hex, two digits a byte. */
export function hex(bytes: Uint8Array): string {
  let out = ''
  for (const byte of bytes) out += hexOfByte[byte]
  return out
}

/** Bytes of lower-case hex; `undefined` for odd length, upper case or any other character. */
export function fromHex(text: string): Uint8Array | undefined {
  if (text.length % 2 !== 0 || !/^[0-9a-f]*$/.test(text)) return undefined
  const bytes = new Uint8Array(text.length / 2)
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(text.slice(2 * i, 2 * i + 2), 16)
  return bytes
}

/** Standard base64 with padding (RFC 4648 section 4). */
export function base64(bytes: Uint8Array): string {
  let binary = ''
  for (const byte of bytes) binary += String.fromCharCode(byte)
  return btoa(binary)
}

/** Bytes of padded standard base64; `undefined` for white space, missing padding, base64url or set trailing bits. */
export function fromBase64(text: string): Uint8Array | undefined {
  if (text.length % 4 !== 0) return undefined
  const digits = text.endsWith('==') ? text.length - 2 : text.endsWith('=') ? text.length - 1 : text.length
  const bytes = new Uint8Array((digits * 3) >> 2)
  let at = 0
  let bits = 0
  for (let i = 0; i < digits; i++) {
    const digit = base64Values[text.charCodeAt(i)]
    if (digit === undefined || digit === notBase64) return undefined
    bits = (bits << 6) | digit
    // The first of each four digits completes no byte, each other one.
    if (i % 4 !== 0) bytes[at++] = bits >> (6 - 2 * (i % 4))
  }
  // What the last digit has beyond the last byte spells nothing, and would be another spelling of the same bytes.
  const spare = digits % 4 === 2 ? 0b1111 : digits % 4 === 3 ? 0b11 : 0
  return (bits & spare) === 0 ? bytes : undefined
}

const notBase64 = 0xff
const base64Values = new Uint8Array(128).fill(notBase64)
for (const [value, digit] of [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'].entries()) {
  base64Values[digit.charCodeAt(0)] = value
}

/** One byte string of all parts in order. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((length, part) => length + part.length, 0))
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}

/** Whether both hold the same bytes. Not in constant time: for public values only. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}
