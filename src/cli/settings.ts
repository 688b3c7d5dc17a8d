import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from 'commander'
import { usageError } from './exit.ts'

type Env = Readonly<Record<string, string | undefined>>

/** How a running service is reached, as options and environment say. */
export interface Remote {
  /** Without a slash at the end. */
  readonly url: string
  readonly token: string | undefined
  /** Where the token came from, for people. */
  readonly tokenFrom: string
  readonly ledger: string
}

export interface RemoteOptions {
  readonly url?: string
  readonly ledger?: string
  readonly tokenFile?: string
}

/** Adds the options that say how to reach a service, and which of its ledgers is meant. */
export const remoteOptions = (command: Command): Command =>
  tokenOption(command)
    .option('--url <url>', 'address of the service (AEP_LEDGER_URL; http://127.0.0.1:8080)')
    .option('--ledger <name>', 'which ledger (AEP_LEDGER_LEDGER; default)')

export const tokenOption = (command: Command): Command =>
  command.option('--token-file <file>', 'file with the token (AEP_LEDGER_TOKEN; here data/admin.token)')

export const defaultUrl = 'http://127.0.0.1:8080'

export function remoteOf(options: RemoteOptions, env: Env): Remote {
  const url = urlOf(options.url ?? env['AEP_LEDGER_URL'] ?? defaultUrl)
  const { token, from } = tokenOf(options, env, url)
  return {
    url: url.href.replace(/\/+$/, ''),
    token,
    tokenFrom: from,
    ledger: options.ledger ?? env['AEP_LEDGER_LEDGER'] ?? 'default',
  }
}

export const dataDirOf = (env: Env): string => env['AEP_LEDGER_DATA_DIR'] ?? './data'

export const isUrl = (text: string): boolean => /^https?:\/\//.test(text)

function urlOf(text: string): URL {
  if (!isUrl(text) || !URL.canParse(text)) {
    throw usageError(`${text} is no http(s) address.`, 'Give one such as http://127.0.0.1:8080.')
  }
  return new URL(text)
}

/** The first of: --token-file, AEP_LEDGER_TOKEN, and, for this machine alone, the file that the first start wrote. */
function tokenOf({ tokenFile }: RemoteOptions, env: Env, url: URL): { token: string | undefined; from: string } {
  if (tokenFile !== undefined) return { token: readToken(tokenFile), from: tokenFile }
  const given = env['AEP_LEDGER_TOKEN']
  if (given !== undefined && given !== '') return { token: given.trim(), from: 'AEP_LEDGER_TOKEN' }
  const file = join(dataDirOf(env), 'admin.token')
  if (!isLoopback(url))
    return { token: undefined, from: `nowhere: AEP_LEDGER_TOKEN is not set, and ${file} is for this machine` }
  try {
    return { token: readToken(file), from: file }
  } catch {
    return { token: undefined, from: `nowhere: AEP_LEDGER_TOKEN is not set, and there is no ${file}` }
  }
}

function readToken(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim()
  } catch (error) {
    throw usageError(`The token file ${file} can't be read (${(error as NodeJS.ErrnoException).code}).`)
  }
}

/** Whether an address is of this machine: the admin token in the data folder goes nowhere else by itself. */
export function isLoopback({ hostname }: URL): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(?:\.\d{1,3}){3}$/.test(hostname)
}
