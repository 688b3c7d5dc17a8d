import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'

/** What a program that fails has to say. */
export class Complaint extends Error {}

export interface AskOptions {
  readonly cwd?: string
  readonly input?: string
}

/** What a program writes on its standard output. Throws `Complaint`, with all that it said, when it fails. */
export function ask(program: string, args: readonly string[], { cwd, input }: AskOptions = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { maxBuffer: 1 << 26, ...(cwd !== undefined && { cwd }) }
    const child = execFile(program, args, options, (error, stdout, stderr) => {
      if (error === null) resolve(stdout)
      else reject(new Complaint(`${stdout}${stderr}`.trim() || error.message))
    })
    // One that ends before it has read everything has said why.
    child.stdin?.on('error', () => {}).end(input ?? '')
  })
}

/** A short name for a text: another pin makes another folder of the cache. */
export const markOf = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 8)
