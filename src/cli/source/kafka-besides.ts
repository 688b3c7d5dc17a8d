import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TokenRecord } from '../../log/control.ts'
import type { KeptBeside } from '../../log/kafka/copy-source.ts'
import type { KafkaPlace } from './kafka.ts'
import { recordIn } from './records.ts'

/** What Kafka keeps beside the entries, by name. */
export interface Besides {
  record(digest: string): Promise<Uint8Array | undefined>
  tokens(): Promise<readonly TokenRecord[]>
  close(): Promise<void>
}

/**
 * What lies beside the ledger topic; nothing is asked for before the first question. A topic can't be asked for one record: at
 * the first question all of them are laid down in a temporary folder, which goes when this is closed.
 */
export function kafkaBesides({ access, prefix }: KafkaPlace): Besides {
  let opened: Promise<KeptBeside> | undefined
  let dir: string | undefined
  let laid: Promise<string> | undefined
  const open = async (): Promise<KeptBeside> => {
    const { openKeptBeside } = await import('../../log/kafka/copy-source.ts')
    return openKeptBeside(access, prefix)
  }
  const beside = (): Promise<KeptBeside> => (opened ??= open())
  const lay = async (): Promise<string> => {
    const folder = mkdtempSync(join(tmpdir(), 'aep-ledger-records-'))
    dir = folder
    for await (const { digest, bytes } of (await beside()).records()) {
      // The key of a record is anybody's text until it is looked at.
      if (/^[0-9a-f]{64}$/.test(digest)) writeFileSync(join(folder, digest), bytes, { mode: 0o600 })
    }
    return folder
  }
  return {
    async record(digest) {
      laid ??= lay()
      return recordIn(await laid, digest)
    },
    tokens: async () => (await beside()).tokens(),
    async close() {
      await laid?.catch(() => {})
      if (dir !== undefined) rmSync(dir, { recursive: true, force: true })
      await opened?.then(one => one.close()).catch(() => {})
    },
  }
}
