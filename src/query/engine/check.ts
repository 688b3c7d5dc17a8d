import type { EngineServer, Login } from '../server.ts'

/** The self-check found the engine to behave otherwise than the ledger needs. */
export class SelfCheckFailed extends Error {}

const askMs = 5_000

/**
 * Whether a freshly started engine does what the ledger relies on. Throws `SelfCheckFailed` naming what it does not:
 * that it answers its users, that it refuses a wrong password, and that its reader reaches nothing outside the database.
 * Resolves with whether the kernel keeps it from `canary`, a file outside its folder.
 */
export async function checkServer(server: EngineServer, canary: string): Promise<boolean> {
  const { url, writer, reader } = server
  const version = await query(url, writer, 'SELECT version()')
  if (!/^\d+\.\d+/.test(version)) throw new SelfCheckFailed(`it does not answer its writer: ${version}`)
  await refused(url, { ...reader, password: 'wrong' }, 'SELECT 1', 516, 'it takes a wrong password')
  await refused(url, reader, `SELECT * FROM url('http://127.0.0.1:9/', LineAsString)`, 497, 'its reader may call url()')
  await refused(url, reader, 'SELECT * FROM system.users', 497, 'its reader may list users')
  await refused(url, reader, 'CREATE DATABASE stray', 497, 'its reader may write')
  const answer = await query(url, reader, `SELECT file('${canary.replaceAll(/[\\']/g, '\\$&')}')`)
  return codeOf(answer) !== undefined
}

/** The body of the answer to a GET, or a POST where there is a body to send, whatever its status. */
export async function ask(url: string, timeoutMs: number, login?: Login, body?: string): Promise<string> {
  const headers: Record<string, string> =
    login === undefined ? {} : { authorization: `Basic ${btoa(`${login.username}:${login.password}`)}` }
  const init = body === undefined ? {} : { method: 'POST', body }
  const response = await fetch(url, { ...init, headers, signal: AbortSignal.timeout(timeoutMs), redirect: 'error' })
  return (await response.text()).trimEnd()
}

const query = (url: string, login: Login, sql: string): Promise<string> => ask(url, askMs, login, sql)

async function refused(url: string, login: Login, sql: string, code: number, otherwise: string): Promise<void> {
  const answer = await query(url, login, sql)
  const found = codeOf(answer)
  // The listener of a reader without rights may also answer 164 (readonly) for what it would not be granted either.
  if (found !== code && found !== 164) throw new SelfCheckFailed(`${otherwise}: ${answer.slice(0, 200)}`)
}

const codeOf = (answer: string): number | undefined => {
  const found = /^Code: (\d+)\./.exec(answer)
  return found === null ? undefined : Number(found[1])
}
