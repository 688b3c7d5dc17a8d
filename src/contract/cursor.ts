import { base64, concat, equalBytes, fromBase64, utf8 } from '../base/bytes.ts'
import type { Suite } from '../crypto/suite.ts'

/**
 * Cursors: where a list goes on, opaque to whoever carries it, stable over restarts and the same on every node.
 *
 *     cursor  = base64url, unpadded, of: version (1 byte, 1) || numbers (8 bytes each, big-endian doubles) || check
 *     check   = first 8 bytes of SHA-256("aep-ledger cursor" 0x00 scope 0x00 version || numbers)
 *
 * `scope` says what the cursor belongs to: route, ledger, filter. The check is no secret, for a cursor grants nothing; it
 * tells a cursor that was cut, changed or taken from another question from one that continues this one.
 */

const version = 1
const checkBytes = 8

/** The cursor that goes on at `numbers` in `scope`. */
export function writeCursor(suite: Suite, scope: string, numbers: readonly number[]): string {
  const body = new Uint8Array(1 + 8 * numbers.length)
  const view = new DataView(body.buffer)
  view.setUint8(0, version)
  for (const [n, value] of numbers.entries()) view.setFloat64(1 + 8 * n, value)
  return base64Url(concat(body, checkOf(suite, scope, body)))
}

/** The `count` numbers of a cursor of `scope`; `undefined` for every other text. */
export function readCursor(suite: Suite, scope: string, text: string, count: number): readonly number[] | undefined {
  const bytes = fromBase64Url(text)
  if (bytes === undefined || bytes.length !== 1 + 8 * count + checkBytes || bytes[0] !== version) return undefined
  const body = bytes.subarray(0, bytes.length - checkBytes)
  if (!equalBytes(checkOf(suite, scope, body), bytes.subarray(body.length))) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  return Array.from({ length: count }, (_, n) => view.getFloat64(1 + 8 * n))
}

const checkOf = (suite: Suite, scope: string, body: Uint8Array): Uint8Array =>
  suite.sha256(utf8(`aep-ledger cursor\0${scope}\0`), body).subarray(0, checkBytes)

const base64Url = (bytes: Uint8Array): string =>
  base64(bytes).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')

const fromBase64Url = (text: string): Uint8Array | undefined =>
  /^[A-Za-z0-9_-]*$/.test(text)
    ? fromBase64(
        text
          .replaceAll('-', '+')
          .replaceAll('_', '/')
          .padEnd(Math.ceil(text.length / 4) * 4, '='),
      )
    : undefined
