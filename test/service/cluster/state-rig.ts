import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type RunningKafka, startKafka } from '../../../infra/kafka/start.ts'
import { sampleStream } from '../../../infra/sample-stream.ts'
import { type Serving, serve } from '../../../infra/serve.ts'
import { openEmbedded } from '../../../src/log/embedded/open.ts'
import type { KafkaClient, Place } from '../../../src/log/kafka/client.ts'
import { kafkajsClient } from '../../../src/log/kafka/kafkajs.ts'
import { stateKey } from '../../../src/log/kafka/state-records.ts'
import { checkState } from '../../../src/service/rebuild.ts'
import { stateView } from '../../../src/service/state-rows.ts'

export const adminToken = 'a-token-for-the-tests-of-state'
export const ledgers = ['default', 'acme/one', 'acme/two', 'acme/three']
export const headers = { authorization: `Bearer ${adminToken}` }
export const inLedger = (name: string): string => `/v1/ledgers/${encodeURIComponent(name)}`

export interface Leases {
  readonly items: readonly { readonly lease_id: string; readonly status: string; readonly invocation_count: number }[]
  readonly as_of: number
  readonly complete: boolean
}

export const leasesOf = async ({ url }: Serving, ledger: string, query = ''): Promise<Leases> =>
  (await (await fetch(`${url}${inLedger(ledger)}/leases${query}`, { headers })).json()) as Leases

/** Resolves once the node answers completely about all leases of the ledgers. */
export async function complete(door: Serving, names: readonly string[] = ledgers): Promise<void> {
  for (const name of names) {
    for (let tries = 0; !(await leasesOf(door, name, '?limit=1')).complete; tries++) {
      if (tries > 60) assert.fail(`${name} is not complete: ${await (await fetch(`${door.url}/readyz`)).text()}`)
      await sleep(100)
    }
  }
}

export async function send({ url }: Serving, ledger: string, events: readonly object[]): Promise<void> {
  for (let tries = 0; ; tries++) {
    const answer = await fetch(`${url}${inLedger(ledger)}/events`, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/x-ndjson' },
      body: events.map(event => JSON.stringify(event)).join('\n'),
    })
    if (answer.status === 201) return
    if (answer.status !== 503 || tries > 20) assert.fail(`${answer.status} ${await answer.text()}`)
    await sleep(250)
  }
}

export const partOf = async (
  { url }: Serving,
  name: string,
): Promise<{ name: string; ready: boolean; detail: string }> => {
  const { parts } = (await (await fetch(`${url}/readyz`)).json()) as {
    parts: { name: string; ready: boolean; detail: string }[]
  }
  return parts.find(part => part.name === name) ?? assert.fail(`there is no part ${name}`)
}

/** Resolves once the node has folded all that it has read. */
export async function caughtUp(serving: Serving): Promise<void> {
  for (let tries = 0; (await partOf(serving, 'leases')).detail !== '0 entries behind'; tries++) {
    if (tries > 200) assert.fail(JSON.stringify(await partOf(serving, 'leases')))
    await sleep(50)
  }
}

/** A broker, and services that share it, for the tests of a file. */
export function stateRig(name: string) {
  const dir = mkdtempSync(join(tmpdir(), `aep-ledger-${name}-`))
  let kafka: RunningKafka
  let client: KafkaClient
  let seeds = 0
  before(async () => {
    kafka = await startKafka({ brokers: 1, dir: join(dir, 'broker') })
    client = await kafkajsClient({ brokers: kafka.bootstrap })
  })
  after(async () => {
    await client?.close()
    await kafka?.stop()
  })

  const folderOf = (prefix: string, name: string): string => join(dir, prefix, name)
  const start = (prefix: string, name: string, roles: string): Promise<Serving> =>
    serve(folderOf(prefix, name), {
      AEP_LEDGER_KAFKA_BROKERS: kafka.bootstrap.join(),
      AEP_LEDGER_KAFKA_PREFIX: prefix,
      AEP_LEDGER_KAFKA_PARTITIONS: '2',
      AEP_LEDGER_KEYS_DIR: join(dir, prefix, 'keys'),
      AEP_LEDGER_ADMIN_TOKEN: adminToken,
      AEP_LEDGER_ROLES: roles,
      AEP_LEDGER_SEARCH: 'off',
      AEP_LEDGER_LOG_LEVEL: 'warn',
    })

  /** The services of a test, ended whatever comes of it, and the ledgers made. */
  async function among(
    prefix: string,
    roles: Readonly<Record<string, string>>,
    work: (services: Map<string, Serving>) => Promise<void>,
  ): Promise<void> {
    const services = new Map<string, Serving>()
    try {
      for (const [name, role] of Object.entries(roles)) services.set(name, await start(prefix, name, role))
      const door = services.get('door') ?? assert.fail('there is no door')
      for (const name of ledgers.slice(1)) {
        const made = await fetch(`${door.url}/v1/ledgers`, {
          method: 'POST',
          headers: { ...headers, 'content-type': 'application/json' },
          body: JSON.stringify({ name }),
        })
        assert.equal(made.status, 201, await made.text())
      }
      await work(services)
    } finally {
      for (const serving of services.values()) if (serving.child.exitCode === null) await serving.kill()
    }
  }

  const load = async (door: Serving, events: number): Promise<void> => {
    const startMs = Date.parse('2026-11-01T00:00:00Z')
    for (const ledger of ledgers) {
      const seed = ++seeds
      const all = [...sampleStream({ seed, events, startMs, source: `urn:state:${seed}` })]
      for (let n = 0; n < all.length; n += 100) await send(door, ledger, all.slice(n, n + 100))
    }
  }

  /** Stops all and holds the view of each of `names` against a fold from nothing, and at the end of its log. */
  async function agree(prefix: string, services: Map<string, Serving>, names: readonly string[]): Promise<void> {
    for (const name of names) await caughtUp(services.get(name) ?? assert.fail(name))
    for (const [name, serving] of services)
      if (serving.child.exitCode === null) assert.equal(await serving.stop(), 0, name)
    for (const name of names) {
      const log = await openEmbedded(folderOf(prefix, name))
      try {
        const findings = []
        for await (const finding of checkState(log, () => {})) findings.push(finding)
        assert.deepEqual(findings, [], name)
        for (const ledger of ledgers) {
          assert.equal(log.views.position(stateView, ledger), (await log.head(ledger))?.seq, `${name} ${ledger}`)
        }
      } finally {
        await log.close()
      }
    }
  }

  /** Keys of the rows that the topic holds of a ledger, sorted. */
  async function rowsIn(place: Place, name: string): Promise<string[]> {
    const { low, end } = await client.bounds(place)
    const rows = new Set<string>()
    for await (const records of client.read(place, low, end)) {
      for (const { key, isTombstone } of records) {
        const { ledger, row = '' } = stateKey(key) ?? {}
        if (ledger !== name) continue
        if (isTombstone === true) rows.delete(row)
        else rows.add(row)
      }
    }
    return [...rows].sort()
  }

  after(() => rmSync(dir, { recursive: true, force: true }))
  return {
    ...{ folderOf, start, among, load, agree, rowsIn },
    kafka: (): RunningKafka => kafka,
    client: (): KafkaClient => client,
  }
}
