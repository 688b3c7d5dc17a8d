import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { CliError, exitCodes, usageError } from '../exit.ts'

/** A line without its end, and where it stands. */
export interface Line {
  readonly bytes: Uint8Array
  /** From 1 on. */
  readonly number: number
  /** Bytes of the source up to the end of the line: how far the reading is. */
  readonly offset: number
}

const newline = 0x0a
const carriageReturn = 0x0d

/**
 * The lines of a stream of bytes, with all that came of one chunk together. A carriage return before a line's end is part
 * of the end; blank lines are passed over. Throws where a line is over `lineBytesMax`. Memory: a chunk and a line.
 */
export async function* linesOf(
  chunks: AsyncIterable<Uint8Array>,
  lineBytesMax: number,
): AsyncGenerator<readonly Line[], void, void> {
  let rest: Uint8Array[] = []
  let restBytes = 0
  let number = 0
  let offset = 0
  const lineOf = (last: Uint8Array): Line | undefined => {
    const whole = rest.length === 0 ? last : Buffer.concat([...rest, last])
    rest = []
    restBytes = 0
    number++
    offset += whole.length + 1
    const bytes = whole.at(-1) === carriageReturn ? whole.subarray(0, -1) : whole
    return bytes.length === 0 ? undefined : { bytes, number, offset }
  }
  for await (const chunk of chunks) {
    const lines: Line[] = []
    let from = 0
    for (let at = chunk.indexOf(newline); at >= 0; at = chunk.indexOf(newline, from)) {
      const line = lineOf(chunk.subarray(from, at))
      if (line) lines.push(line)
      from = at + 1
    }
    if (from < chunk.length) {
      rest.push(Uint8Array.from(chunk.subarray(from)))
      restBytes += chunk.length - from
    }
    if (restBytes > lineBytesMax) {
      throw usageError(`Line ${number + 1} is over ${lineBytesMax} bytes: this is no file of one JSON value a line.`)
    }
    if (lines.length > 0) yield lines
  }
  const line = restBytes > 0 ? lineOf(new Uint8Array(0)) : undefined
  if (line) yield [line]
}

const chunkBytes = 1 << 20

/** The bytes of a file, or of stdin for `-`; `bytes` is its size where that is known. */
export async function openBytes(
  path: string,
  stdin: Readable,
): Promise<{ readonly chunks: AsyncIterable<Uint8Array>; readonly bytes?: number }> {
  if (path === '-') return { chunks: stdin }
  const file = await open(path).catch((error: NodeJS.ErrnoException) => {
    throw unreadable(path, error)
  })
  const state = await file.stat()
  if (state.isDirectory()) {
    await file.close()
    throw usageError(`${path} is a folder; a file is wanted here.`)
  }
  return { chunks: file.createReadStream({ highWaterMark: chunkBytes }), bytes: state.size }
}

/** A file's bytes again from its beginning. */
export const bytesAgain = (path: string): AsyncIterable<Uint8Array> =>
  createReadStream(path, { highWaterMark: chunkBytes })

export function unreadable(path: string, error: NodeJS.ErrnoException): CliError {
  const why = error.code === 'ENOENT' ? 'is not there' : `can't be read (${error.code})`
  return new CliError(exitCodes.usage, `${path} ${why}.`, undefined, error)
}
