import { randomBytes } from 'node:crypto'
import {
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { fromHex, hex } from '../base/bytes.ts'
import { Fault } from '../base/fault.ts'
import type { Suite } from '../crypto/suite.ts'
import { keyIdOf } from '../ledger/signature.ts'
import { type Signer, signerOf } from './signer.ts'

/** Where the signing keys are. */
export const keysFolder = ({
  DATA_DIR,
  KEYS_DIR,
}: {
  readonly DATA_DIR: string
  readonly KEYS_DIR?: string | undefined
}): string => KEYS_DIR ?? join(DATA_DIR, 'keys')

const keyFileSchema = z.strictObject({
  key_id: z.string(),
  alg: z.literal('ed25519'),
  public_hex: z.string(),
  seed_hex: z.string(),
  created_at: z.iso.datetime(),
})

/** A key file is not as it has to be; the message says what to do. */
export class KeyFileUnusable extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'KeyFileUnusable'
  }
}

/** A ledger key whose private half is at hand. */
export interface OwnKey {
  readonly keyId: string
  readonly publicHex: string
  readonly signer: Signer
  /** RFC 3339; a configured seed has none. */
  readonly createdAt?: string
}

/**
 * The installation's signing keys: one file a key under `DATA_DIR/keys`, mode 0600, or the one seed that the
 * configuration gave, which is kept in memory only. Which of them signs is not said here but by each ledger's entries.
 */
export class KeyFiles {
  readonly #dir: string
  readonly #suite: Suite
  readonly #keys = new Map<string, OwnKey>()

  private constructor(dir: string, suite: Suite) {
    this.#dir = dir
    this.#suite = suite
  }

  /** Reads all keys, and holds the one of `seedHex` beside them; where there is none, one is made, if `makeAt` is given. */
  static open(dir: string, suite: Suite, seedHex: string | undefined, makeAt?: Date): KeyFiles {
    mkdirSync(dir, { recursive: true, mode: 0o700 })
    const files = new KeyFiles(dir, suite)
    files.#readAll()
    const seed = seedHex === undefined ? undefined : fromHex(seedHex)
    if (seed !== undefined) files.#hold(seed)
    else if (files.#keys.size === 0 && makeAt !== undefined) files.make(makeAt)
    return files
  }

  /** The key of that id; one that another process has put into the folder meanwhile is found, too. */
  get(keyId: string): OwnKey | undefined {
    if (!this.#keys.has(keyId) && existsSync(join(this.#dir, `${keyId}.json`))) this.#read(`${keyId}.json`)
    return this.#keys.get(keyId)
  }

  ids(): readonly string[] {
    return [...this.#keys.keys()]
  }

  /**
   * The key that a new ledger begins with: the newest, whichever process put it there; a configured seed counts as the oldest.
   * Throws `log-unavailable` where there is none.
   */
  newest(): OwnKey {
    this.#readAll()
    const [first, ...others] = this.#keys.values()
    if (first === undefined) {
      throw new Fault('log-unavailable', `This process has no signing key: there is none in ${this.#dir}.`)
    }
    return others.reduce((newest, key) => (age(key) > age(newest) ? key : newest), first)
  }

  /**
   * Makes the first key of a folder that several processes may share and start on at once: one of them does, as the file
   * `first` says, and the others wait for its key.
   */
  async makeFirst(now: Date): Promise<OwnKey> {
    const seed = new Uint8Array(randomBytes(32))
    const keyId = keyIdOf(this.#suite, this.#suite.publicKey(seed))
    const path = join(this.#dir, 'first')
    writeSecret(path, `${keyId}\n`, 'unless-there')
    const first = readFileSync(path, 'utf8').trim()
    for (let tries = 0; first !== keyId && tries < firstTries; tries++) {
      const key = this.get(first)
      if (key !== undefined) return key
      await sleep(50)
    }
    // Ours, or of somebody who died before it was written.
    return this.make(now, seed)
  }

  /** Makes a key and keeps it on disk before it answers. */
  make(now: Date, seed: Uint8Array = new Uint8Array(randomBytes(32))): OwnKey {
    const createdAt = now.toISOString()
    const key = this.#hold(seed, createdAt)
    const file = {
      key_id: key.keyId,
      alg: 'ed25519',
      public_hex: key.publicHex,
      seed_hex: hex(seed),
      created_at: createdAt,
    }
    writeSecret(join(this.#dir, `${key.keyId}.json`), `${JSON.stringify(file)}\n`)
    return key
  }

  /** Forgets a key for good: what no ledger signs with any more should not lie about. */
  forget(keyId: string): void {
    this.#keys.delete(keyId)
    rmSync(join(this.#dir, `${keyId}.json`), { force: true })
  }

  #readAll(): void {
    for (const name of readdirSync(this.#dir).filter(name => name.endsWith('.json'))) {
      if (!this.#keys.has(name.slice(0, -'.json'.length))) this.#read(name)
    }
  }

  #read(name: string): void {
    const path = join(this.#dir, name)
    const parsed = keyFileSchema.safeParse(jsonOf(readFileSync(path, 'utf8')))
    const seed = parsed.success ? fromHex(parsed.data.seed_hex) : undefined
    if (!parsed.success || seed?.length !== 32) {
      throw new KeyFileUnusable(`${path} is no key file: restore it from your backup, or move it away.`)
    }
    if ((statSync(path).mode & 0o077) !== 0) {
      throw new KeyFileUnusable(`${path} can be read by others: chmod 600 ${path}`)
    }
    const key = this.#hold(seed, parsed.data.created_at)
    if (key.keyId !== parsed.data.key_id || key.publicHex !== parsed.data.public_hex) {
      throw new KeyFileUnusable(
        `${path}: the seed is not that of key ${parsed.data.key_id}: restore it from your backup.`,
      )
    }
  }

  #hold(seed: Uint8Array, createdAt?: string): OwnKey {
    const publicKey = this.#suite.publicKey(seed)
    const keyId = keyIdOf(this.#suite, publicKey)
    const key = { keyId, publicHex: hex(publicKey), signer: signerOf(keyId, seed), ...(createdAt && { createdAt }) }
    this.#keys.set(keyId, key)
    return key
  }
}

/** Looks for another's first key, 50 ms apart. */
const firstTries = 100

const age = (key: OwnKey): string => key.createdAt ?? ''

/**
 * Writes a file that only its owner may read. Whole and on disk when it returns, or not there at all; one that is there
 * meanwhile is left alone where that is asked for.
 */
export function writeSecret(path: string, text: string, mode: 'over' | 'unless-there' = 'over'): void {
  const temporary = `${path}.${process.pid}.tmp`
  const file = openSync(temporary, 'w', 0o600)
  try {
    writeSync(file, text)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
  if (mode === 'over') renameSync(temporary, path)
  else {
    try {
      linkSync(temporary, path)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    } finally {
      rmSync(temporary)
    }
  }
  const folder = openSync(dirname(path), 'r')
  try {
    fsyncSync(folder)
  } finally {
    closeSync(folder)
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
