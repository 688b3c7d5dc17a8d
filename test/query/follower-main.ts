import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { StoredEntry } from '../../src/ledger/entry.ts'
import { openClickHouse } from '../../src/query/clickhouse.ts'
import type { ClickHouseServer } from '../../src/query/server.ts'
import { entriesOf, hashLeaf, moment } from './make.ts'

/** What a follower in a process of its own is told, as JSON: it brings the rows of a log that grows while it reads. */
export interface FollowerPlan {
  readonly server: ClickHouseServer
  readonly ledger: string
  readonly count: number
  /** Entries that come to the log between two inserts: followers of other growth cut other blocks. */
  readonly growth: number
}

/** The log: over two months by the ledger's own time. */
export const logOf = (ledger: string, count: number): readonly StoredEntry[] =>
  entriesOf(
    ledger,
    Array.from({ length: count }, (_, index) => ({
      type: 'aep.decision',
      time: moment(index),
      takenAt: index < count / 2 ? '2026-03-31T23:59:00.000Z' : '2026-04-01T00:00:00.000Z',
      data: { decision: index % 50 === 0 ? 'deny' : 'allow', run_id: `r-${index % 100}` },
    })),
  )

/** Goes on until every row is in, whatever fails. */
async function follow({ server, ledger, count, growth }: FollowerPlan): Promise<void> {
  const rows = await openClickHouse(server, { hashLeaf })
  const log = logOf(ledger, count)
  for (let position = -1; position < count - 1; ) {
    try {
      position = await rows.position(ledger)
      await rows.insert(ledger, log.slice(position + 1, position + 1 + growth))
    } catch {
      await sleep(20)
    }
  }
  await rows.close()
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await follow(JSON.parse(process.argv[2] ?? '{}') as FollowerPlan)
}
