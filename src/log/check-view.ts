import { createHash } from 'node:crypto'

/** The digest of `ViewStore.dump`: SHA-256 over the position and, in key order, each key and value with its length. */
export function dumpOf(position: number, rows: Iterable<[key: string, value: Uint8Array]>): string {
  const digest = createHash('sha256').update(`${position}\n`)
  for (const [key, value] of rows)
    digest
      .update(`${Buffer.byteLength(key)} ${value.length}\n`)
      .update(key)
      .update(value)
  return digest.digest('hex')
}

/** Throws `RangeError` when a view that stands at `before` can't come to stand at `position`. */
export function checkPosition(view: string, before: number, position: number): void {
  if (!Number.isSafeInteger(position) || position < 0) throw new RangeError(`No position of a view: ${position}.`)
  if (position < before) throw new RangeError(`${view} is at ${before} and can't go back to ${position}.`)
}

/** The UTF-8 bytes of a view's key. Throws `RangeError` for one that is too long or ill-formed. */
export function viewKey(key: string, bytesMax: number): Uint8Array {
  if (!key.isWellFormed()) throw new RangeError('The key of a view is well-formed text.')
  const bytes = Buffer.from(key)
  if (bytes.length > bytesMax)
    throw new RangeError(`The key of a view is at most ${bytesMax} bytes; this has ${bytes.length}.`)
  return bytes
}
