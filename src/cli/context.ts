import type { Readable } from 'node:stream'
import type { ExitCode } from './exit.ts'
import type { Output } from './terminal.ts'

/** What a verb has of the world. */
export interface Context {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly out: Output
  readonly err: Output
  readonly stdin: Readable & { readonly isTTY?: boolean }
  /** Aborts on Ctrl-C or SIGTERM. */
  readonly cancelled: AbortSignal
  /** How long the verb may take to put things away once it was cancelled, ms. */
  patienceMs: number
  /** What the process is to end with; a verb that is silent about it ends with 0. */
  exitCode: ExitCode
}
