/**
 * The two primitives everything rests on, behind one interface, so that the same verifier runs on a server
 * (`node.ts`, OpenSSL) and in a browser (`portable.ts`, @noble).
 *
 * `verify` holds **one** acceptance rule for Ed25519, in both: cofactorless ([S]B = R + [k]A), R compared as bytes,
 * S < L, A canonical, neither A nor R of small order. It is RFC 8032 section 5.1.7 with the choices it leaves open closed.
 * A bad signature, key or length is `false`; nothing about its input makes it throw.
 */
export interface Suite {
  /** SHA-256 (FIPS 180-4) of the parts as if concatenated: 32 bytes. */
  sha256(...parts: readonly Uint8Array[]): Uint8Array
  /** The same as 64 lower-case hex digits, which native code writes sooner than it makes a byte array. */
  sha256Hex(...parts: readonly Uint8Array[]): string
  /** Whether `signature` (64 bytes) is one of `message` under `publicKey` (32 bytes). */
  verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean
  /** RFC 8032 public key (32 bytes) of a 32-byte seed; throws on another length. */
  publicKey(seed: Uint8Array): Uint8Array
  /** RFC 8032 Ed25519 signature (64 bytes), deterministic; throws when the seed is not 32 bytes. */
  sign(seed: Uint8Array, message: Uint8Array): Uint8Array
}
