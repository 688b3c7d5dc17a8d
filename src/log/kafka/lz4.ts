/**
 * What LZ4 compressed into a frame (lz4_Frame_format.md, lz4_Block_format.md of lz4/lz4). Checksums are not looked at. Throws
 * for what is malformed, or would come to more than `bytesMax`. Cost: one pass.
 */
export function fromLz4(bytes: Uint8Array, bytesMax: number): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (view.getUint32(0, true) !== magic) throw new RangeError('it is no frame of LZ4')
  const flags = view.getUint8(4)
  if (flags >> 6 !== 1 || (flags & 1) !== 0) throw new RangeError('a frame of LZ4 is of an unknown kind')
  const blockChecksum = (flags & 0x10) === 0 ? 0 : 4
  const blockBytesMax = 1 << (8 + 2 * ((view.getUint8(5) >> 4) & 7))
  let to: Uint8Array = new Uint8Array(0)
  let end = 0
  // The header ends with its length, where it has one, and a checksum.
  for (let at = (flags & 8) === 0 ? 7 : 15; ; ) {
    const word = view.getUint32(at, true)
    if (word === 0) return to.subarray(0, end)
    const size = word & 0x7fff_ffff
    const block = bytes.subarray(at + 4, at + 4 + size)
    if (block.length < size) throw new RangeError('a frame of LZ4 is cut off')
    const limit = Math.min(end + blockBytesMax, bytesMax)
    to = withRoom(to, end, limit)
    end = word > 0x7fff_ffff ? copied(block, to, end, limit) : expanded(block, to, end, limit)
    at += 4 + size + blockChecksum
  }
}

const magic = 0x184d2204

/** Room for `limit` bytes; the first `end` are kept. */
function withRoom(to: Uint8Array, end: number, limit: number): Uint8Array {
  if (to.length >= limit) return to
  const more = new Uint8Array(Math.max(limit, 2 * to.length))
  more.set(to.subarray(0, end))
  return more
}

function copied(from: Uint8Array, to: Uint8Array, end: number, limit: number): number {
  if (end + from.length > limit) throw tooLong(limit)
  to.set(from, end)
  return end + from.length
}

/** Expands a block behind what is there, which it may refer to; where it ends. */
function expanded(from: Uint8Array, to: Uint8Array, begin: number, limit: number): number {
  let at = 0
  let end = begin
  const next = (): number => {
    const byte = from[at++]
    if (byte === undefined) throw new RangeError('a block of LZ4 is cut off')
    return byte
  }
  const length = (nibble: number): number => {
    let sum = nibble
    for (let byte = nibble === 15 ? 255 : 0; byte === 255; sum += byte) byte = next()
    return sum
  }
  while (at < from.length) {
    const token = next()
    const literals = length(token >> 4)
    if (at + literals > from.length) throw new RangeError('a block of LZ4 is cut off')
    end = copied(from.subarray(at, at + literals), to, end, limit)
    at += literals
    // The last sequence has nothing but literals.
    if (at === from.length) break
    const back = next() + 256 * next()
    const stop = end + 4 + length(token & 15)
    if (back === 0 || back > end) throw new RangeError('a block of LZ4 copies what is not there')
    if (stop > limit) throw tooLong(limit)
    // Byte by byte: what is copied may be what was just written.
    for (; end < stop; end += 1) to[end] = to[end - back] ?? 0
  }
  return end
}

const tooLong = (limit: number): RangeError => new RangeError(`it comes to more than ${limit} bytes`)
