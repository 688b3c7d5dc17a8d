import { mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Partitioners } from 'kafkajs'
import { type RunningKafka, startKafka } from '../../infra/kafka/start.ts'
import { freePorts } from '../../infra/ports.ts'
import { startRoute } from '../../infra/proxy/route.ts'
import type { Serving } from '../../infra/serve.ts'
import { newSecrets } from '../../src/query/engine/launch.ts'
import { type Engine, startEngine } from '../../src/query/engine.ts'
import { Member } from './members.ts'

/** Processes that there are from the beginning, and one that comes and goes. */
const plans = [
  { name: 'http-1', roles: 'http' },
  { name: 'http-2', roles: 'http' },
  { name: 'sequencer-1', roles: 'sequencer' },
  { name: 'sequencer-2', roles: 'sequencer' },
  { name: 'all', roles: 'http,sequencer,follower' },
  { name: 'follower', roles: 'follower' },
  { name: 'spare', roles: 'http,sequencer' },
] as const

const token = 'faults-admin'
const partitions = 4
const ledgersPerPartition = 2

/** Three brokers, a ClickHouse, a handful of processes, and a way from each to each through a proxy of its own. */
export interface World {
  readonly kafka: RunningKafka
  readonly clickhouse: Engine
  readonly members: readonly Member[]
  readonly ledgers: readonly string[]
  /** One ledger of each partition. */
  readonly probed: readonly string[]
  /** Doors that are meant to be up, of whatever health. */
  doors(): readonly Serving[]
  close(): Promise<void>
}

export async function makeWorld(dir: string, report: (fault: string) => void): Promise<World> {
  const kafka = await startKafka({
    brokers: 3,
    dir: join(dir, 'kafka'),
    routes: plans.length,
    // A listener a process: with as many threads each as by default there would be hundreds.
    besides: { listeners: {}, properties: { 'num.network.threads': '1' } },
    onDeath: (broker, why) => report(`broker ${broker} ended by itself: ${why}`),
  })
  const [port = 0] = await freePorts(1)
  // It comes back where it was: whoever asks it is not told of a new start.
  const clickhouse = await startEngine({ dir: join(dir, 'clickhouse'), fixed: { port, secrets: newSecrets() } })
  await clickhouse.ready
  const env = {
    ...searchEnv(clickhouse),
    AEP_LEDGER_KEYS_DIR: mkdtempSync(join(dir, 'keys-')),
    AEP_LEDGER_ADMIN_TOKEN: token,
    AEP_LEDGER_KAFKA_PARTITIONS: String(partitions),
    AEP_LEDGER_INGEST_WAIT_MS: '10000',
  }
  const routes = await Promise.all(kafka.routes.map(startRoute))
  const members = plans.map((plan, n) => new Member(dir, { ...plan, route: routes[n] ?? [] }, env, report))
  const world: World = {
    kafka,
    clickhouse,
    members,
    ...chooseLedgers(),
    doors: () => members.flatMap(({ isDoor, serving }) => (isDoor && serving !== undefined ? [serving] : [])),
    async close() {
      await Promise.all(members.map(member => member.kill()))
      await Promise.all(routes.flat().map(proxy => proxy.close()))
      await Promise.all([kafka.stop(), clickhouse.close()])
    },
  }
  try {
    // The first of them makes topics and keys.
    await members[0]?.start()
    await Promise.all(members.slice(1, -1).map(member => member.start()))
    await makeLedgers(world)
    return world
  } catch (error) {
    await world.close()
    throw error
  }
}

/** What a process is told of ClickHouse. */
export const searchEnv = ({ url, writer }: Engine): Readonly<Record<string, string>> => ({
  AEP_LEDGER_CLICKHOUSE_URL: url,
  AEP_LEDGER_CLICKHOUSE_USER: writer.username,
  AEP_LEDGER_CLICKHOUSE_PASSWORD: writer.password,
})

/** As many in each partition. */
function chooseLedgers(): { readonly ledgers: readonly string[]; readonly probed: readonly string[] } {
  const partitionOf = Partitioners.DefaultPartitioner()
  const partitionMetadata = Array.from({ length: partitions }, (_, partitionId) => ({
    ...{ partitionErrorCode: 0, partitionId, leader: 0, replicas: [], isr: [] },
  }))
  const chosen: string[][] = Array.from({ length: partitions }, () => [])
  for (let n = 0; chosen.some(({ length }) => length < ledgersPerPartition); n++) {
    const key = `faults-${n}`
    const own = chosen[partitionOf({ topic: '', partitionMetadata, message: { key, value: null } })]
    if (own !== undefined && own.length < ledgersPerPartition) own.push(key)
  }
  return { ledgers: chosen.flat(), probed: chosen.flatMap(([first = '']) => first) }
}

const ledgersMsMax = 60_000

/** Makes the ledgers, and waits until every door knows them. */
async function makeLedgers({ ledgers, doors }: World): Promise<void> {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
  const untilMs = performance.now() + ledgersMsMax
  for (const name of ledgers) {
    for (;;) {
      const [door] = doors()
      const body = JSON.stringify({ name })
      const { status } = await fetch(`${door?.url}/v1/ledgers`, { method: 'POST', headers, body })
      if (status === 201 || status === 409) break
      if (performance.now() > untilMs) throw new Error(`${name} could not be made: ${status}`)
      await sleep(200)
    }
  }
  for (const { url } of doors()) {
    for (const name of ledgers) {
      while ((await fetch(`${url}/v1/ledgers/${name}`, { headers })).status !== 200) {
        if (performance.now() > untilMs) throw new Error(`${url} does not know ${name}`)
        await sleep(100)
      }
    }
  }
}
