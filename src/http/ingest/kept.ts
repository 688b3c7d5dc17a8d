import { concat, hex, utf8 } from '../../base/bytes.ts'
import type { Suite } from '../../crypto/suite.ts'
import type { AppPorts } from '../ports.ts'

/**
 * Records kept beside the log, ledger by ledger. The log has one store of them for all its ledgers, by digest alone: who
 * knows a digest must not read by it, through a ledger of his own, what another ledger keeps, nor learn that it does. So
 * each ledger that a record's text was sent to leaves a mark beside it, and a ledger may name only what it has marked.
 *
 * The mark lies in the same store under SHA-256(0xff || "LEDGER DIGEST"), its value that text. No record has such a digest:
 * a record is UTF-8, where there is no byte 0xff.
 */
export async function keepRecord(ports: AppPorts, ledger: string, digest: string, bytes: Uint8Array): Promise<void> {
  await ports.log.putRecord(digest, bytes)
  const { key, value } = markOf(ports.suite, ledger, digest)
  await ports.log.putRecord(key, value)
}

/** The record with this digest, where its text was sent to `ledger`. */
export async function recordOf(ports: AppPorts, ledger: string, digest: string): Promise<Uint8Array | undefined> {
  const mark = await ports.log.record(markOf(ports.suite, ledger, digest).key)
  return mark === undefined ? undefined : ports.log.record(digest)
}

function markOf(suite: Suite, ledger: string, digest: string): { readonly key: string; readonly value: Uint8Array } {
  const value = utf8(`${ledger} ${digest}`)
  return { key: hex(suite.sha256(concat(Uint8Array.of(0xff), value))), value }
}
