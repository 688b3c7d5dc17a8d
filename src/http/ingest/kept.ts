import { recordMark } from '../../ledger/kept-record.ts'
import type { AppPorts } from '../ports.ts'

/**
 * Records kept beside the log, ledger by ledger. The log has one store of them for all its ledgers, by digest alone: who
 * knows a digest must not read by it, through a ledger of his own, what another ledger keeps, nor learn that it does. So
 * each ledger that a record's text was sent to leaves a mark beside it, and a ledger may name only what it has marked.
 */
export async function keepRecord(ports: AppPorts, ledger: string, digest: string, bytes: Uint8Array): Promise<void> {
  await ports.log.putRecord(digest, bytes)
  const { key, value } = recordMark(ports.suite, ledger, digest)
  await ports.log.putRecord(key, value)
}

/** The record with this digest, where its text was sent to `ledger`. */
export async function recordOf(ports: AppPorts, ledger: string, digest: string): Promise<Uint8Array | undefined> {
  const mark = await ports.log.record(recordMark(ports.suite, ledger, digest).key)
  return mark === undefined ? undefined : ports.log.record(digest)
}
