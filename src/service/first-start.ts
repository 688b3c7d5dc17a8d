import { hash, randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fromHex, hex } from '../base/bytes.ts'
import { makeToken } from '../http/auth.ts'
import type { ControlStore, TokenRecord } from '../log/control.ts'
import { KeyFileUnusable, writeSecret } from './key-files.ts'

/** Where the first admin token is written, for the CLI on the same machine. */
export const adminTokenFile = (dataDir: string): string => join(dataDir, 'admin.token')

/** Id of the token that the configuration gives. */
const configuredId = 'admin'

/**
 * Sees to it that somebody can administer: the configured admin token is in force under the id `admin` until a start that
 * has another or none. Without one, and with no other token in force that administers every ledger, one is made and written
 * to a file that only its owner may read. The server keeps hashes only. Returns the path of the file, when it was written.
 */
export async function ensureAdminToken(
  dataDir: string,
  control: ControlStore,
  configured: string | undefined,
  now: Date,
): Promise<string | undefined> {
  const fields = {
    label: 'first admin',
    role: 'admin',
    ledgers: ['*'],
    sources: [],
    createdAt: now.toISOString(),
  } as const
  if (configured !== undefined) {
    await control.putToken({ ...fields, id: configuredId, label: 'configured', sha256: hash('sha256', configured) })
    return undefined
  }
  const inForce = (await control.tokens()).filter(token => token.revokedAt === undefined)
  const left = inForce.find(token => token.id === configuredId)
  if (left !== undefined) await control.putToken({ ...left, revokedAt: now.toISOString() })
  const administers = (token: TokenRecord) => token.role === 'admin' && token.ledgers.includes('*')
  if (inForce.some(token => token !== left && administers(token))) return undefined
  const { text, record } = makeToken(fields)
  const path = adminTokenFile(dataDir)
  // Written before it is in force: a crash in between leaves a file with a dead token, and the next start makes another.
  writeSecret(path, `${text}\n`)
  await control.putToken(record)
  return path
}

/** The key that authenticates intake: configured, or in a file beside the signing keys, made once by whoever comes first. */
export function ensureIntakeKey(keysDir: string, configured: string | undefined): Uint8Array {
  const given = configured === undefined ? undefined : fromHex(configured)
  if (given !== undefined) return given
  const path = join(keysDir, 'intake.key')
  if (!existsSync(path)) writeSecret(path, `${hex(randomBytes(32))}\n`, 'unless-there')
  const key = fromHex(readFileSync(path, 'utf8').trim())
  if (key?.length !== 32)
    throw new KeyFileUnusable(`${path} is no intake key: restore it, or remove it on every process.`)
  return key
}

/** The installation's name in genesis entries: configured, or made once with a random part and kept. */
export function ensureOrigin(dataDir: string, configured: string | undefined): string {
  if (configured !== undefined) return configured
  mkdirSync(dataDir, { recursive: true, mode: 0o700 })
  const path = join(dataDir, 'origin')
  if (!existsSync(path)) writeSecret(path, `ledger-${randomBytes(8).toString('hex')}.invalid\n`)
  return readFileSync(path, 'utf8').trim()
}
