import { type AppendBatch, type EventIdentity, identityText } from './port.ts'

/** Bytes of the signature that every entry carries. */
export const signatureBytes = 64

/** What is wrong with a batch before any log has been asked, or `undefined`. Every adapter refuses it with `NotWritten`. */
export function batchFault({ ledger, entries, ids, after, head }: AppendBatch): string | undefined {
  if (ledger === '' || ledger.length > 128 || !/^[\x21-\x7e]+$/.test(ledger)) {
    return `A ledger's name is 1 to 128 visible ASCII characters: ${JSON.stringify(ledger)}.`
  }
  if (entries.length === 0) return 'A batch has at least one entry.'
  if (ids.length !== entries.length) return `A batch of ${entries.length} entries came with ${ids.length} identities.`
  for (const [n, { seq, signature }] of entries.entries()) {
    if (seq !== after.seq + 1 + n) return `Entry ${n} of the batch has seq ${seq} where ${after.seq + 1 + n} is due.`
    if (signature.length !== signatureBytes) return `The signature of seq ${seq} has ${signature.length} bytes.`
  }
  const last = after.seq + entries.length
  if (head.seq !== last) return `The batch ends at seq ${last} and its head says ${head.seq}.`
  const twice = firstTwice(ids)
  return twice === undefined ? undefined : `The batch has the event ${JSON.stringify(twice)} twice.`
}

/** Throws `RangeError` for what is no SHA-256 as the log names records by it. */
export function checkDigest(digest: string): void {
  if (!/^[0-9a-f]{64}$/.test(digest)) throw new RangeError(`A record's digest is 64 lower-case hex digits: ${digest}.`)
}

function firstTwice(ids: readonly EventIdentity[]): EventIdentity | undefined {
  const seen = new Set<string>()
  for (const identity of ids) {
    const text = identityText(identity)
    if (seen.has(text)) return identity
    seen.add(text)
  }
  return undefined
}
