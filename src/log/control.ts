/** What a token may do. `admin` includes `emit` and `read`. */
export const roles = ['emit', 'read', 'admin'] as const
export type Role = (typeof roles)[number]

/** A bearer token as it is kept: never the token itself. */
export interface TokenRecord {
  /** Public id, which entries name as `intake.by`: `[a-z0-9_-]{1,32}`. */
  readonly id: string
  readonly label: string
  /** SHA-256 of the token's UTF-8 bytes, 64 lower-case hex digits. Tokens are 256 random bits, so no slow hash is due. */
  readonly sha256: string
  readonly role: Role
  /** Ledgers it holds for: a name, or a prefix ending in `*`; `*` is all. */
  readonly ledgers: readonly string[]
  /** CloudEvents `source` prefixes it may emit under; empty: any. */
  readonly sources: readonly string[]
  readonly createdAt: string
  readonly revokedAt?: string
}

/** Small state that is not evidence: tokens. Durable when a call resolves; few records, read whole. */
export interface ControlStore {
  tokens(): Promise<readonly TokenRecord[]>
  putToken(token: TokenRecord): Promise<void>
}

/** Begins the key of a token record; its id follows. */
export const tokenPrefix = 'token/'
