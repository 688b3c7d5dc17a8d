import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TokenRecord } from '../../log/control.ts'
import type { KafkaPlace } from '../source/kafka.ts'

/** What Kafka keeps beside the entries, by name. */
export interface Besides {
  readonly hasLedgers: boolean
  record(digest: string): Promise<Uint8Array | undefined>
  tokens(): Promise<readonly TokenRecord[]>
  close(): Promise<void>
}

/**
 * Opens what lies beside the ledger topic. A topic can't be asked for one record: at the first question all of them are
 * laid down in a temporary folder, which goes when this is closed.
 */
export async function kafkaBesides({ access, prefix }: KafkaPlace): Promise<Besides> {
  const { openKeptBeside } = await import('../../log/kafka/copy-source.ts')
  const beside = await openKeptBeside(access, prefix)
  let spool: Promise<string> | undefined
  const lay = async (): Promise<string> => {
    const dir = mkdtempSync(join(tmpdir(), 'aep-ledger-records-'))
    for await (const { digest, bytes } of beside.records()) {
      // The key of a record is anybody's text until it is looked at.
      if (/^[0-9a-f]{64}$/.test(digest)) writeFileSync(join(dir, digest), bytes, { mode: 0o600 })
    }
    return dir
  }
  return {
    hasLedgers: beside.hasLedgers,
    async record(digest) {
      spool ??= lay()
      try {
        return new Uint8Array(readFileSync(join(await spool, digest)))
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
        throw error
      }
    },
    tokens: () => beside.tokens(),
    async close() {
      const dir = await spool?.catch(() => undefined)
      if (dir !== undefined) rmSync(dir, { recursive: true, force: true })
      await beside.close()
    },
  }
}
