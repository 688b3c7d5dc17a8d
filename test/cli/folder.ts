import { createHash } from 'node:crypto'
import type { LeafHash, Seq } from '../../src/ledger/entry.ts'
import { openEmbedded } from '../../src/log/embedded/open.ts'
import { readFrame } from '../../src/verify/frame.ts'
import type { SourceEntry } from '../../src/verify/port.ts'
import { created, decision, key, pinOf, sealed } from '../verify/support.ts'

/** A sound ledger of that many entries: its creation, and decisions. */
export const ledgerOf = (ledger: string, count: number): SourceEntry[] =>
  sealed(
    [created(key, ledger), ...Array.from({ length: count - 1 }, (_, n) => decision(n + 1))].map(draft => ({
      ...draft,
      frame: { ledger },
    })),
  )

/** One digest of all bytes and signatures in their order: of long ledgers it tells as much as their difference, and sooner. */
export function digestOf(entries: readonly Pick<SourceEntry, 'bytes' | 'signature'>[]): string {
  const digest = createHash('sha256')
  for (const { bytes, signature } of entries) digest.update(bytes).update(signature)
  return `${entries.length} entries, ${digest.digest('hex')}`
}

/** Makes a data folder that holds these ledgers. */
export async function writeFolder(
  dir: string,
  ledgers: Readonly<Record<string, readonly SourceEntry[]>>,
): Promise<void> {
  const log = await openEmbedded(dir)
  for (const [ledger, entries] of Object.entries(ledgers)) {
    const last = entries.at(-1)
    const { seq, leafHash } = pinOf(last)
    await log.append({
      ledger,
      entries: entries.map((entry, n) => ({ ...entry, seq: n as Seq })),
      ids: entries.map((_, n) => ({ source: n === 0 ? 'genesis' : 'urn:gateway:one', id: `event-${n}` })),
      after: { seq: -1 as Seq, leafHash: '0'.repeat(64) as LeafHash },
      head: {
        seq: seq as Seq,
        leafHash: leafHash as LeafHash,
        recordedAt: readFrame(last?.bytes ?? new Uint8Array())?.recorded_at ?? '',
      },
    })
  }
  await log.close()
}
