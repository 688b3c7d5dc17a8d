import { setTimeout as sleep } from 'node:timers/promises'
import { type FaultDetail, faults } from '../base/fault.ts'
import { problem, problemType } from '../contract/problem.ts'
import { CliError, exitCodes } from './exit.ts'
import type { Remote } from './settings.ts'

/** What the service answered instead of what was asked for. */
export class ProblemError extends CliError {
  readonly status: number
  readonly code: string
  readonly errors: readonly FaultDetail[]

  constructor(status: number, code: string, detail: string, hint: string | undefined, errors: readonly FaultDetail[]) {
    const retry = code in faults ? faults[code as keyof typeof faults].retry : status >= 500 || status === 429
    super(retry ? exitCodes.tryAgain : exitCodes.usage, detail, hint)
    this.name = 'ProblemError'
    this.status = status
    this.code = code
    this.errors = errors
  }
}

export interface Asking {
  readonly method?: 'GET' | 'POST' | 'DELETE'
  readonly query?: Readonly<Record<string, string | number | readonly string[] | undefined>>
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  /** Tries at most, while the service has too much to do or does not answer. Only for what may be done twice. */
  readonly tries?: number
  /** Told before each wait for another try. */
  readonly onRetry?: (waitMs: number, why: string) => void
}

/** What a contract's shape can do for an answer. */
interface Shape<T> {
  safeParse(value: unknown):
    | { readonly success: true; readonly data: T }
    | {
        readonly success: false
        readonly error: {
          readonly issues: readonly { readonly path: readonly PropertyKey[]; readonly message: string }[]
        }
      }
}

/** One service, asked over HTTP. */
export interface Client {
  readonly remote: Remote
  /**
   * An answer of any form, its status in the 200s; its body is yet to be read, and may break off. Throws `ProblemError`, or
   * `CliError` where nobody answers.
   */
  ask(path: string, asking?: Asking): Promise<Response>
  /** The same as its whole body. One that breaks off is tried again as one that never came. */
  bytes(path: string, asking?: Asking): Promise<Uint8Array>
  /** A JSON answer, checked against its shape. */
  json<T>(path: string, shape: Shape<T>, asking?: Asking): Promise<T>
}

const waitMsMin = 200
const waitMsMax = 20_000

export function clientOf(remote: Remote, cancelled: AbortSignal): Client {
  const ask = async <T>(path: string, asking: Asking, read: (answer: Response) => T | Promise<T>): Promise<T> => {
    const { tries = 1, onRetry } = asking
    for (let failed = 1; ; failed++) {
      const answer = await once(remote, path, asking, cancelled, read)
      if ('taken' in answer) return answer.taken
      if (failed >= tries || answer.error.exitCode !== exitCodes.tryAgain) throw answer.error
      // Full jitter: clients that failed together do not come back together.
      const waitMs = Math.max(answer.retryAfterMs, Math.random() * Math.min(waitMsMax, waitMsMin * 2 ** failed))
      onRetry?.(waitMs, answer.error.message)
      await sleep(waitMs, undefined, { signal: cancelled })
    }
  }
  return {
    remote,
    ask: (path, asking = {}) => ask(path, asking, answer => answer),
    bytes: (path, asking = {}) => ask(path, asking, answer => answer.bytes()),
    json: async (path, shape, asking = {}) => {
      const read = shape.safeParse(jsonOf(await ask(path, asking, answer => answer.text())))
      if (read.success) return read.data
      const [issue] = read.error.issues
      const where = `${issue?.path.map(String).join('.')}: ${issue?.message}`
      throw new CliError(
        exitCodes.undecided,
        `${remote.url}${path} answered in a form that is not known here (${where}).`,
      )
    },
  }
}

/** Address of a ledger's part: its name is one segment, its slash spelled `%2F`. */
export const ledgerPath = (ledger: string, rest = ''): string => `/v1/ledgers/${encodeURIComponent(ledger)}${rest}`

interface Refusal {
  readonly error: CliError
  /** What `Retry-After` asks; 0 where it asks nothing. */
  readonly retryAfterMs: number
}

/** One try, the reading of what was answered with it: `read` fails where the body breaks off. */
async function once<T>(
  remote: Remote,
  path: string,
  asking: Asking,
  cancelled: AbortSignal,
  read: (answer: Response) => T | Promise<T>,
): Promise<{ readonly taken: T } | Refusal> {
  const { method = 'GET', query = {}, headers = {}, body } = asking
  const url = `${remote.url}${path}${queryText(query)}`
  const authorization = remote.token === undefined ? {} : { authorization: `Bearer ${remote.token}` }
  let answer: Response
  try {
    answer = await fetch(url, {
      method,
      headers: { accept: 'application/json', ...authorization, ...headers },
      redirect: 'error',
      signal: cancelled,
      ...(body !== undefined && { body }),
    })
  } catch (error) {
    if (cancelled.aborted) throw error
    return { error: unreachable(remote, error), retryAfterMs: 0 }
  }
  if (!answer.ok) return { error: await problemIn(answer, remote), retryAfterMs: retryAfterMs(answer) }
  try {
    return { taken: await read(answer) }
  } catch (error) {
    if (cancelled.aborted) throw error
    return { error: brokenOff(remote, error), retryAfterMs: 0 }
  }
}

function queryText(query: NonNullable<Asking['query']>): string {
  const pairs = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) {
    if (value === undefined) continue
    for (const one of Array.isArray(value) ? value : [value]) pairs.append(name, String(one))
  }
  return pairs.size === 0 ? '' : `?${pairs}`
}

function unreachable(remote: Remote, error: unknown): CliError {
  const message = `Nobody answers at ${remote.url} (${whyOf(error)}).`
  return new CliError(
    exitCodes.tryAgain,
    message,
    'Start the service with aep-ledger serve, or name another: --url.',
    error,
  )
}

const brokenOff = (remote: Remote, error: unknown): CliError =>
  new CliError(exitCodes.tryAgain, `${remote.url} broke off in its answer (${whyOf(error)}).`, 'Try again.', error)

function whyOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  const code = (cause as NodeJS.ErrnoException).code
  return code ?? (cause instanceof Error ? cause.message : String(cause))
}

async function problemIn(answer: Response, remote: Remote): Promise<ProblemError> {
  const text = await answer.text().catch(() => '')
  const type = answer.headers.get('content-type') ?? ''
  const read = type.startsWith(problemType) ? problem.safeParse(jsonOf(text)) : undefined
  if (!read?.success) {
    const detail = `${remote.url} answered ${answer.status} and is no aep-ledger, or something before it.`
    return new ProblemError(answer.status, 'unknown', detail, 'Check the address: --url or AEP_LEDGER_URL.', [])
  }
  const { status, code, detail, errors = [] } = read.data
  return new ProblemError(status, code, detail, hintOf(code, remote), errors)
}

function hintOf(code: keyof typeof faults, remote: Remote): string {
  if (code === 'unauthenticated')
    return `The token was taken from ${remote.tokenFrom}. Set AEP_LEDGER_TOKEN or --token-file.`
  if (code === 'ledger-unknown') return 'Name one with --ledger; an admin sees all: GET /v1/ledgers.'
  return faults[code].hint
}

/** RFC 9110 section 10.2.3: seconds or a date. */
function retryAfterMs(answer: Response): number {
  const text = answer.headers.get('retry-after') ?? ''
  if (/^\d{1,6}$/.test(text)) return Math.min(Number(text) * 1000, 600_000)
  const at = Date.parse(text)
  return Number.isNaN(at) ? 0 : Math.min(Math.max(0, at - Date.now()), 600_000)
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
