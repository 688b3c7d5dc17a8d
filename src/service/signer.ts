import { createPrivateKey, type KeyObject, sign } from 'node:crypto'
import { promisify } from 'node:util'
import { signingInput } from '../ledger/signature.ts'

/** Signs entries with one ledger key. */
export interface Signer {
  readonly keyId: string
  /** Ed25519 signatures of entries' bytes, in order, made on the thread pool: the event loop goes on meanwhile. */
  sign(entries: readonly Uint8Array[]): Promise<Uint8Array[]>
}

// RFC 8410 section 7: PKCS #8 of an Ed25519 seed is this prefix and the seed.
const pkcs8Prefix = Buffer.from('302e020100300506032b657004220420', 'hex')

const signAsync = promisify(
  (key: KeyObject, message: Uint8Array, done: (error: Error | null, signature: Buffer) => void) =>
    sign(null, message, key, done),
)

/** A signer under `seed` (32 bytes), which verifiers know as `keyId`. */
export function signerOf(keyId: string, seed: Uint8Array): Signer {
  const key = createPrivateKey({ key: Buffer.concat([pkcs8Prefix, seed]), format: 'der', type: 'pkcs8' })
  return { keyId, sign: entries => Promise.all(entries.map(bytes => signAsync(key, signingInput(bytes)))) }
}
