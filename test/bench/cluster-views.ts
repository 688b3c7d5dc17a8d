import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Serving } from '../../infra/serve.ts'
import { type KafkaRecord, sendRecordsMax } from '../../src/log/kafka/client.ts'
import { kafkajsClient } from '../../src/log/kafka/kafkajs.ts'
import { openKafkaLog } from '../../src/log/kafka/open.ts'
import { LeaseBook, leaseFactsIn } from '../../src/projections/leases.ts'
import { type Engine, startEngine } from '../../src/query/engine.ts'
import { rebuildState } from '../../src/service/state-view.ts'
import { type Place, start, token } from './cluster-place.ts'
import { ms, perSecond, type Row, rate } from './section.ts'

/** Folds the leases of a ledger straight from the topic, in memory; entries a second. */
async function foldRate({ kafka }: Place): Promise<number> {
  const client = await kafkajsClient({ brokers: kafka.bootstrap })
  const topic = { topic: 'one.ledger', partition: 0 }
  const { end } = await client.bounds(topic)
  const since = performance.now()
  const book = new LeaseBook()
  let entries = 0
  for await (const records of client.read(topic, 0, end)) {
    for (const { value } of records) for (const fact of leaseFactsIn(value)) book.take(fact)
    entries += records.length
  }
  const figure = perSecond(entries, performance.now() - since)
  await client.close()
  return figure
}

/** From the topic to a replica's own disk, to the state view and to a fold in memory. */
export async function benchReading(place: Place): Promise<Row[]> {
  const since = performance.now()
  const log = await openKafkaLog({
    access: { brokers: place.kafka.bootstrap },
    prefix: 'one',
    dir: join(place.dir, 'cold'),
  })
  const entries = ((await log.head('default'))?.seq ?? -1) + 1
  const readMs = performance.now() - since
  await rebuildState(log, log.views)
  const wholeMs = performance.now() - since
  await log.close()
  const folded = await foldRate(place)
  return [
    {
      what: `a cold replica, ${entries.toLocaleString('en')} entries from Kafka to its own disk`,
      figure: rate(perSecond(entries, readMs)),
    },
    {
      what: 'a cold process: replica and state view, on disk',
      figure: rate(perSecond(entries, wholeMs)),
    },
    {
      what: 'lease fold straight from the topic, in memory',
      figure: rate(folded),
      target: 'at least 100,000/s',
      met: folded >= 100_000,
      bound: 'kafkajs decodes every record on the thread that folds: reading without folding takes nearly as long',
    },
  ]
}

/** Rows of ClickHouse as a follower makes them: all at once, and beside a log that grows steadily. */
export async function benchFollower(place: Place): Promise<Row[]> {
  const engine: Engine = await startEngine({ dir: join(place.dir, 'clickhouse') })
  await engine.ready
  try {
    return [...(await benchBehind(place, engine)), await benchSteady(place, engine)]
  } finally {
    await engine.close()
  }
}

const following = (engine: Engine, prefix: string, database: string): Record<string, string> => ({
  AEP_LEDGER_KAFKA_PREFIX: prefix,
  AEP_LEDGER_ROLES: 'http,follower',
  AEP_LEDGER_SEARCH: 'on',
  AEP_LEDGER_CLICKHOUSE_URL: engine.url,
  AEP_LEDGER_CLICKHOUSE_USER: engine.writer.username,
  AEP_LEDGER_CLICKHOUSE_PASSWORD: engine.writer.password,
  AEP_LEDGER_CLICKHOUSE_DATABASE: database,
})

/** How many rows a search promises, and whether those are all. */
async function rowsOf({ url }: Serving): Promise<{ readonly rows: number; readonly complete: boolean }> {
  const headers = { authorization: `Bearer ${token}` }
  const answer = await fetch(`${url}/v1/ledgers/default/events?limit=1`, { headers })
  const { as_of = -1, complete = false } = (await answer.json()) as { as_of?: number; complete?: boolean }
  return { rows: as_of + 1, complete }
}

async function benchBehind(place: Place, engine: Engine): Promise<Row[]> {
  const since = performance.now()
  const follower = await start(place, 'cold', following(engine, 'one', 'behind'))
  let first: { readonly rows: number; readonly atMs: number } | undefined
  let found = await rowsOf(follower)
  try {
    for (; !found.complete; found = await rowsOf(follower)) {
      if (found.rows > 0) first ??= { rows: found.rows, atMs: performance.now() }
      await sleep(100)
    }
  } finally {
    await follower.stop()
  }
  const untilMs = performance.now()
  const { rows, atMs } = first ?? { rows: 0, atMs: since }
  const figure = perSecond(found.rows - rows, untilMs - atMs)
  return [
    {
      what: `follower to ClickHouse, ${found.rows.toLocaleString('en')} rows, from its first block on`,
      figure: rate(figure),
      target: 'at least 20,000/s',
      met: figure >= 20_000,
      bound:
        'ClickHouse sorts, compresses and indexes a block on one core while the follower makes the next on the other',
    },
    {
      what: 'the same, from the start of its process, which joins its group and makes the tables first',
      figure: rate(perSecond(found.rows, untilMs - since)),
    },
  ]
}

const steadyPerSecond = 5_000
const steadyMs = 18_000
const stepMs = 50

/** Sealed entries of another log come into this one at a steady pace, which no sequencer here could keep beside a follower. */
async function benchSteady(place: Place, engine: Engine): Promise<Row> {
  const client = await kafkajsClient({ brokers: place.kafka.bootstrap })
  const topic = { topic: 'one.ledger', partition: 0 }
  const access = { brokers: place.kafka.bootstrap }
  const env = following(engine, 'steady', 'steady')
  await (await openKafkaLog({ access, prefix: 'steady', dir: join(place.dir, 'steady-made'), partitions: 1 })).close()
  const producer = await client.producer()
  const behindMs: number[] = []
  let follower: Serving | undefined
  let sent = 0
  const send = async (records: readonly KafkaRecord[]): Promise<void> => {
    for (let from = 0; from < records.length; from += sendRecordsMax) {
      const part = records.slice(from, from + sendRecordsMax)
      await producer.send(
        part.map(({ key, value, headers }) => ({ topic: 'steady.ledger', partition: 0, key, value, headers })),
      )
      sent += part.length
    }
  }
  try {
    const records: KafkaRecord[] = []
    for await (const batch of client.read(topic, 0, (await client.bounds(topic)).end)) records.push(...batch)
    await send(records.splice(0, steadyPerSecond))
    follower = await start(place, 'steady', env)
    while (!(await rowsOf(follower)).complete) await sleep(100)
    const since = performance.now()
    const before = sent
    let lookedMs = since
    while (performance.now() - since < steadyMs && records.length > 0) {
      const due = before + Math.floor(((performance.now() - since) * steadyPerSecond) / 1000) - sent
      await send(records.splice(0, Math.max(due, 0)))
      if (performance.now() - lookedMs > 500) {
        lookedMs = performance.now()
        behindMs.push((1000 * (sent - (await rowsOf(follower)).rows)) / steadyPerSecond)
      }
      await sleep(stepMs)
    }
  } finally {
    await follower?.stop()
    await producer.close()
    await client.close()
  }
  const worst = Math.max(...behindMs)
  return {
    what: `follower beside a log that grows by ${steadyPerSecond.toLocaleString('en')} entries a second for ${steadyMs / 1000} s: how far its rows are behind, at most`,
    figure: ms(worst),
    target: 'never behind: under 2 s',
    met: worst < 2_000,
  }
}
