/**
 * The lines of NDJSON bytes, blank ones left out. Split as bytes, so that a line that is no UTF-8 spoils only itself, and
 * U+2028 inside a text ends nothing.
 */
export function* linesOf(bytes: Uint8Array): Generator<Uint8Array> {
  let from = 0
  while (from < bytes.length) {
    const end = bytes.indexOf(0x0a, from)
    const to = end < 0 ? bytes.length : end
    const line = bytes.subarray(from, to)
    if (line.some(byte => byte !== 0x20 && byte !== 0x09 && byte !== 0x0d)) yield line
    from = to + 1
  }
}
