import { hash, randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fromHex, hex } from '../base/bytes.ts'
import { makeToken } from '../http/auth.ts'
import { originIn } from '../ledger/origin.ts'
import type { ControlStore, TokenRecord } from '../log/control.ts'
import type { LogReader } from '../log/port.ts'
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

export const intakeKeyFile = (keysDir: string): string => join(keysDir, 'intake.key')

/** The key that authenticates intake: in a file beside the signing keys, made once by whoever comes first. */
export function ensureIntakeKey(keysDir: string): Uint8Array {
  const path = intakeKeyFile(keysDir)
  if (!existsSync(path)) writeSecret(path, `${hex(randomBytes(32))}\n`, 'unless-there')
  const key = fromHex(readFileSync(path, 'utf8').trim())
  if (key?.length !== 32)
    throw new KeyFileUnusable(`${path} is no intake key: restore it, or remove it on every process.`)
  return key
}

const originFile = (dataDir: string): string => join(dataDir, 'origin')

/** The installation's name in genesis entries: configured, or made once with a random part and kept. */
export const ensureOrigin = (dataDir: string, configured: string | undefined): string =>
  configured ?? keepOrigin(dataDir, `ledger-${randomBytes(8).toString('hex')}.invalid`)

/** The configuration gives the installation a name that it does not have; the message says what to do. */
export class OriginDiffers extends Error {
  override readonly name = 'OriginDiffers'
}

/**
 * The installation's name as it was fixed: `recorded`, or that of a ledger in `log`, which its first entry has for ever;
 * `undefined` where nothing has one yet. A `configured` one chooses among them: ledgers may have come from elsewhere. Throws
 * `OriginDiffers` where it is none of them. Cost: at most one entry a ledger.
 */
export async function fixedOrigin(
  log: LogReader,
  recorded: string | undefined,
  configured: string | undefined,
): Promise<string | undefined> {
  const names = new Set(recorded === undefined ? [] : [recorded])
  const wanted = configured ?? recorded
  for (const ledger of wanted !== undefined && names.has(wanted) ? [] : await log.ledgers()) {
    const [first] = await log.read(ledger, 0, 1)
    const name = first && originIn(first.bytes, ledger)
    if (name !== undefined) names.add(name)
  }
  const [known] = names
  if (wanted === undefined || known === undefined || names.has(wanted)) return wanted ?? known
  throw new OriginDiffers(
    `AEP_LEDGER_ORIGIN is ${wanted}, and this installation was made as ${[...names].join(' and ')}, which its ledgers say for ` +
      'ever: leave the variable out, or set it to that. Another name is for a new installation, in a place of its own.',
  )
}

/** Keeps a name of the installation in its data folder, unless there is one; returns which there is. */
export function keepOrigin(dataDir: string, origin: string): string {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 })
  const there = keptOrigin(dataDir)
  if (there === undefined) writeSecret(originFile(dataDir), `${origin}\n`)
  return there ?? origin
}

/** The installation's name as its data folder keeps it, where it does. */
export function keptOrigin(dataDir: string): string | undefined {
  const path = originFile(dataDir)
  return existsSync(path) ? readFileSync(path, 'utf8').trim() : undefined
}
