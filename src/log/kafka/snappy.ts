/**
 * What snappy compressed (format_description.txt of google/snappy), bare or in the chunks in which Kafka's own clients and
 * brokers write it: a header of 16 bytes, then each chunk with its length before it. Throws for what is malformed, or would
 * come to more than `bytesMax`. Cost: one pass.
 */
export function fromSnappy(bytes: Uint8Array, bytesMax: number): Uint8Array {
  if (!isChunked(bytes)) return block(bytes, bytesMax)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const chunks: Uint8Array[] = []
  let size = 0
  for (let at = headerBytes; at < bytes.length; ) {
    const end = at + 4 + view.getUint32(at)
    if (end > bytes.length) throw new RangeError('a chunk of snappy is cut off')
    const chunk = block(bytes.subarray(at + 4, end), bytesMax - size)
    chunks.push(chunk)
    size += chunk.length
    at = end
  }
  return Buffer.concat(chunks, size)
}

const magic = [0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00]
/** The magic number, and two versions of four bytes. */
const headerBytes = 16

const isChunked = (bytes: Uint8Array): boolean =>
  bytes.length >= headerBytes && magic.every((byte, at) => bytes[at] === byte)

function block(from: Uint8Array, bytesMax: number): Uint8Array {
  let at = 0
  const next = (): number => {
    const byte = from[at++]
    if (byte === undefined) throw new RangeError('a block of snappy is cut off')
    return byte
  }
  const little = (bytes: number): number => {
    let value = 0
    for (let n = 0; n < bytes; n += 1) value += next() * 2 ** (8 * n)
    return value
  }
  let size = 0
  for (let shift = 0, byte = 0x80; byte >= 0x80; shift += 7) {
    byte = next()
    size += (byte & 0x7f) * 2 ** shift
    if (size > bytesMax) throw new RangeError(`it comes to more than ${bytesMax} bytes`)
  }
  const to = Buffer.alloc(size)
  let end = 0
  while (at < from.length) {
    const tag = next()
    const kind = tag & 3
    if (kind === 0) {
      const length = 1 + (tag >> 2 < 60 ? tag >> 2 : little((tag >> 2) - 59))
      if (at + length > from.length || end + length > size) throw new RangeError('a block of snappy runs over its end')
      to.set(from.subarray(at, at + length), end)
      at += length
      end += length
      continue
    }
    const length = kind === 1 ? 4 + ((tag >> 2) & 7) : 1 + (tag >> 2)
    const back = kind === 1 ? ((tag >> 5) << 8) + next() : little(kind === 2 ? 2 : 4)
    if (back === 0 || back > end || end + length > size)
      throw new RangeError('a block of snappy copies what is not there')
    // Byte by byte: what is copied may be what was just written.
    for (const stop = end + length; end < stop; end += 1) to[end] = to[end - back] ?? 0
  }
  if (end !== size) throw new RangeError('a block of snappy is cut off')
  return to
}
