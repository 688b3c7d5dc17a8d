import { hash, randomBytes, timingSafeEqual } from 'node:crypto'
import { Fault } from '../base/fault.ts'
import type { ControlStore, Role, TokenRecord } from '../log/control.ts'

/** Bearer tokens: who calls, and what they may do. */

const idLetters = 'abcdefghijklmnopqrstuvwxyz234567'
/** A token that this service made carries its id, so that one record is looked up and not all are tried. */
const madeToken = /^aep_([a-z0-9-]{1,32})_/
/** The token of the environment may be any text; its record has this id. */
const adminId = 'admin'
const nobody = Buffer.alloc(32)
const bearer = /^Bearer +([\x21-\x7e]+) *$/i

/** A new token: its text, shown once, and the record to keep, which cannot be turned back into it. */
export function makeToken(fields: Omit<TokenRecord, 'id' | 'sha256'>): {
  readonly text: string
  readonly record: TokenRecord
} {
  const id = Array.from(randomBytes(12), byte => idLetters[byte & 31]).join('')
  const text = `aep_${id}_${randomBytes(32).toString('base64url')}`
  return { text, record: { id, sha256: hash('sha256', text), ...fields } }
}

interface Kept {
  readonly token: TokenRecord
  readonly sha256: Buffer
}

/**
 * The tokens in force, held in memory. `refresh` reads them anew: after each change made here, and from time to time for
 * those made elsewhere.
 */
export class TokenBook {
  readonly #control: ControlStore
  #byId = new Map<string, Kept>()

  private constructor(control: ControlStore) {
    this.#control = control
  }

  static async open(control: ControlStore): Promise<TokenBook> {
    const book = new TokenBook(control)
    await book.refresh()
    return book
  }

  async refresh(): Promise<void> {
    const tokens = await this.#control.tokens()
    this.#byId = new Map(tokens.map(token => [token.id, { token, sha256: Buffer.from(token.sha256, 'hex') }]))
  }

  async put(token: TokenRecord): Promise<void> {
    await this.#control.putToken(token)
    await this.refresh()
  }

  /** All tokens that were ever made, by id. */
  all(): readonly TokenRecord[] {
    return [...this.#byId.values()].map(kept => kept.token).sort((a, b) => (a.id < b.id ? -1 : 1))
  }

  get(id: string): TokenRecord | undefined {
    return this.#byId.get(id)?.token
  }

  /** Whether the token is still in force: what a stream asks while it runs. */
  isLive(id: string): boolean {
    const token = this.get(id)
    return token !== undefined && token.revokedAt === undefined
  }

  /**
   * The token that `authorization` carries; throws `unauthenticated`. The text is hashed once and compared in constant
   * time with the record that its id names and with the environment's, there or not. Cost: one SHA-256.
   */
  identify(authorization: string | undefined): TokenRecord {
    if (authorization === undefined) throw new Fault('unauthenticated', 'There is no Authorization header.')
    const text = bearer.exec(authorization)?.[1]
    if (text === undefined) throw new Fault('unauthenticated', 'Authorization is not of the form: Bearer TOKEN.')
    const digest = hash('sha256', text, 'buffer')
    const named = this.#byId.get(madeToken.exec(text)?.[1] ?? '')
    const admin = this.#byId.get(adminId)
    const isNamed = timingSafeEqual(digest, named?.sha256 ?? nobody)
    const isAdmin = timingSafeEqual(digest, admin?.sha256 ?? nobody)
    const token = isNamed ? named?.token : isAdmin ? admin?.token : undefined
    if (token === undefined || token.revokedAt !== undefined) {
      throw new Fault('unauthenticated', 'The token is unknown or was revoked.')
    }
    return token
  }
}

/** Whether `authorization` carries the very token `text`: their hashes are compared, in constant time. */
export function carries(authorization: string | undefined, text: string): boolean {
  const given = bearer.exec(authorization ?? '')?.[1]
  return given !== undefined && timingSafeEqual(hash('sha256', given, 'buffer'), hash('sha256', text, 'buffer'))
}

/** Whether a token of `role` may do what asks for `needed`. */
export const allows = (role: Role, needed: Role): boolean => role === needed || role === 'admin'

/** Whether `scopes` hold for `ledger`. */
export const holdsFor = (scopes: readonly string[], ledger: string): boolean =>
  scopes.some(scope => (scope.endsWith('*') ? ledger.startsWith(scope.slice(0, -1)) : scope === ledger))

/** Whether all that `asked` (a ledger or a prefix with `*`) stands for is within `scopes`. */
export const covers = (scopes: readonly string[], asked: string): boolean =>
  scopes.some(scope =>
    scope.endsWith('*') ? asked.replace(/\*$/, '').startsWith(scope.slice(0, -1)) : scope === asked,
  )
