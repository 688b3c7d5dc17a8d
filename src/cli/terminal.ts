import type { Writable } from 'node:stream'

/** Where a command writes. A reader that goes away (`| head`) ends the output, never the program. */
export class Output {
  readonly isTty: boolean
  readonly color: boolean
  /** Columns of a terminal; 80 elsewhere. */
  readonly columns: number
  readonly #stream: Writable
  readonly #gone = new AbortController()

  constructor(
    stream: Writable & { isTTY?: boolean; columns?: number },
    env: Readonly<Record<string, string | undefined>>,
  ) {
    this.#stream = stream
    this.isTty = stream.isTTY === true
    this.columns = stream.columns ?? 80
    this.color = this.isTty && (env['NO_COLOR'] ?? '') === '' && env['TERM'] !== 'dumb'
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE' && error.code !== 'ERR_STREAM_DESTROYED') throw error
      this.#gone.abort()
    })
  }

  /** Aborts when nobody reads any more. */
  get gone(): AbortSignal {
    return this.#gone.signal
  }

  /** Writes text; resolves when more may be written. */
  async write(text: string | Uint8Array): Promise<void> {
    if (this.#gone.signal.aborted || this.#stream.write(text)) return
    await new Promise<void>(resolve => {
      const done = () => {
        this.#stream.removeListener('drain', done)
        this.#gone.signal.removeEventListener('abort', done)
        resolve()
      }
      this.#stream.once('drain', done)
      this.#gone.signal.addEventListener('abort', done, { once: true })
    })
  }

  line(text = ''): Promise<void> {
    return this.write(`${text}\n`)
  }

  /** Resolves when all that was written is handed over. */
  flush(): Promise<void> {
    if (this.#gone.signal.aborted) return Promise.resolve()
    return new Promise(resolve => {
      this.#gone.signal.addEventListener('abort', () => resolve(), { once: true })
      this.#stream.write('', () => resolve())
    })
  }
}

const codes = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, cyan: 36 } as const
export type Style = keyof typeof codes
export type Paint = (style: Style, text: string) => string

/** Colours for an output that shows them, plain text for any other. */
export const painter = (output: { readonly color: boolean }): Paint =>
  output.color ? (style, text) => `\u001b[${codes[style]}m${text}\u001b[0m` : (_, text) => text

/** Text of somebody else's, safe to show at a terminal: control characters are spelled out. */
export const shown = (text: string): string =>
  text.replace(
    /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu,
    c => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )

/** Columns as wide as their widest cell, two spaces between; the last is never padded, and numbers are set right. */
export function table(rows: readonly (readonly string[])[], right: readonly number[] = []): string[] {
  const widths: number[] = []
  for (const row of rows) for (const [n, cell] of row.entries()) widths[n] = Math.max(widths[n] ?? 0, width(cell))
  return rows.map(row =>
    row
      .map((cell, n) => {
        const space = ' '.repeat(Math.max(0, (widths[n] ?? 0) - width(cell)))
        if (right.includes(n)) return space + cell
        return n === row.length - 1 ? cell : cell + space
      })
      .join('  ')
      .trimEnd(),
  )
}

/** Characters that are seen: colour codes are not. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: an escape sequence begins with one
const width = (text: string): number => [...text.replace(/\u001b\[\d+m/g, '')].length

/** The first `max` characters, the last of them an ellipsis where something was cut. */
export const clip = (text: string, max: number): string => (text.length <= max ? text : `${text.slice(0, max - 1)}…`)

/** 1234567 as 1,234,567. */
export const counted = (n: number): string => n.toLocaleString('en-US')

/** `3 entries`, `1 entry`. */
export const plural = (n: number, one: string, many = `${one}s`): string => `${counted(n)} ${n === 1 ? one : many}`
