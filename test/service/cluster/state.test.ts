import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type RunningKafka, startKafka } from '../../../infra/kafka/start.ts'
import { sampleStream } from '../../../infra/sample-stream.ts'
import { type Serving, serve } from '../../../infra/serve.ts'
import { utf8 } from '../../../src/base/bytes.ts'
import { openEmbedded } from '../../../src/log/embedded/open.ts'
import type { KafkaClient } from '../../../src/log/kafka/client.ts'
import { kafkajsClient } from '../../../src/log/kafka/kafkajs.ts'
import { stateKey, stateRecords } from '../../../src/log/kafka/state-records.ts'
import { checkState } from '../../../src/service/rebuild.ts'
import { stateVersion, stateView } from '../../../src/service/state-rows.ts'
import { rebuildState } from '../../../src/service/state-view.ts'
import { noKafka } from '../../infra/engines.ts'
import { Client } from '../../infra/kafka-client.ts'

const dir = mkdtempSync(join(tmpdir(), 'aep-ledger-state-'))
after(() => rmSync(dir, { recursive: true, force: true }))

const adminToken = 'a-token-for-the-tests-of-state'
const ledgers = ['default', 'acme/one', 'acme/two', 'acme/three']
const headers = { authorization: `Bearer ${adminToken}` }
const inLedger = (name: string): string => `/v1/ledgers/${encodeURIComponent(name)}`

interface Leases {
  readonly items: readonly { readonly lease_id: string; readonly status: string; readonly invocation_count: number }[]
  readonly as_of: number
  readonly complete: boolean
}

const leasesOf = async ({ url }: Serving, ledger: string, query = ''): Promise<Leases> =>
  (await (await fetch(`${url}${inLedger(ledger)}/leases${query}`, { headers })).json()) as Leases

/** Resolves once the node answers completely about all leases of the ledgers. */
async function complete(door: Serving, names: readonly string[] = ledgers): Promise<void> {
  for (const name of names) {
    for (let tries = 0; !(await leasesOf(door, name, '?limit=1')).complete; tries++) {
      if (tries > 60) assert.fail(`${name} is not complete: ${await (await fetch(`${door.url}/readyz`)).text()}`)
      await sleep(100)
    }
  }
}

async function send({ url }: Serving, ledger: string, events: readonly object[]): Promise<void> {
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

const partOf = async ({ url }: Serving, name: string): Promise<{ name: string; ready: boolean; detail: string }> => {
  const { parts } = (await (await fetch(`${url}/readyz`)).json()) as {
    parts: { name: string; ready: boolean; detail: string }[]
  }
  return parts.find(part => part.name === name) ?? assert.fail(`there is no part ${name}`)
}

/** Resolves once the node has folded all that it has read. */
async function caughtUp(serving: Serving): Promise<void> {
  for (let tries = 0; (await partOf(serving, 'leases')).detail !== '0 entries behind'; tries++) {
    if (tries > 200) assert.fail(JSON.stringify(await partOf(serving, 'leases')))
    await sleep(50)
  }
}

describe('the state of leases in a cluster', { skip: noKafka }, () => {
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

  it('is what one process folded, at a node that folds nothing', async () => {
    const prefix = 'shared'
    await among(prefix, { folds: 'sequencer,follower', door: 'http' }, async services => {
      const door = services.get('door') ?? assert.fail()
      const event = (n: number, type: string, data: object) => ({
        ...{ specversion: '1.0', id: `e-${n}`, source: 'urn:gateway', type, time: '2026-11-01T00:00:00Z', data },
      })
      const terms = { principal_hash: 'ab'.repeat(8), server_id: 'files', granted_tools: ['read'] }
      const stands = async (): Promise<unknown> => {
        const { items, complete } = await leasesOf(door, 'acme/one')
        return [complete, ...items.map(({ status, invocation_count }) => [status, invocation_count])]
      }
      const granted = { lease_id: 'l-1', ...terms, expires_at: '2099-01-01T00:00:00Z', max_invocations: 5 }
      await send(door, 'acme/one', [event(1, 'aep.lease.granted', granted)])
      assert.deepEqual(await stands(), [true, ['active', 0]])
      await send(door, 'acme/one', [event(2, 'aep.lease.used', { lease_id: 'l-1', decision_event_id: 'd-1' })])
      assert.deepEqual(await stands(), [true, ['active', 1]])
      await send(door, 'acme/one', [event(3, 'aep.lease.revoked', { lease_id: 'l-1' })])
      assert.deepEqual(await stands(), [true, ['revoked', 1]])

      await load(door, 600)
      await complete(door)
      assert.deepEqual(await partOf(door, 'leases'), {
        ...{ name: 'leases', ready: true, detail: '0 entries behind', essential: false },
      })
      const positions = await (await fetch(`${door.url}/metrics`, { headers })).text()
      assert.match(positions, /aep_ledger_view_position\{view="state",ledger="acme\/one"\} 60[34]/)

      // The one that folds is away, and another one seals: the door has the entries, and not their state.
      assert.equal(await services.get('folds')?.stop(), 0)
      services.set('seals', await start(prefix, 'seals', 'sequencer'))
      await send(door, 'acme/one', [event(4, 'aep.lease.granted', { ...granted, lease_id: 'l-2' })])
      const late = await leasesOf(door, 'acme/one', '?principal=abababababababab')
      assert.deepEqual([late.complete, late.items.length], [false, 1])
      services.set('folds', await start(prefix, 'folds', 'follower'))
      await complete(door)
      assert.equal((await leasesOf(door, 'acme/one', '?principal=abababababababab')).items.length, 2)
      await agree(prefix, services, ['folds', 'door'])
    })
  })

  it('survives kill -9 of the follower under load, and the loss of its folder', async () => {
    const prefix = 'killed'
    await among(prefix, { seals: 'sequencer', folds: 'follower', door: 'http' }, async services => {
      const door = services.get('door') ?? assert.fail()
      for (const isLost of [false, false, true]) {
        const loading = load(door, 400)
        await sleep(700)
        await services.get('folds')?.kill()
        if (isLost) rmSync(folderOf(prefix, 'folds'), { recursive: true })
        services.set('folds', await start(prefix, 'folds', 'follower'))
        await loading
      }
      await complete(door)
      // One that comes late has all of it from the topic.
      const late = await start(prefix, 'late', 'http')
      services.set('late', late)
      await complete(late)
      await agree(prefix, services, ['folds', 'door', 'late'])
    })
  })

  it('is handed over from one follower to another, and each has the whole of it', async () => {
    const prefix = 'handed'
    const roles = { seals: 'sequencer', one: 'follower', two: 'follower', door: 'http' }
    await among(prefix, roles, async services => {
      const door = services.get('door') ?? assert.fail()
      await load(door, 300)
      await complete(door)
      const loading = load(door, 600)
      await sleep(300)
      assert.equal(await services.get('one')?.stop(), 0)
      await loading
      await complete(door)
      services.set('one', await start(prefix, 'one', 'follower'))
      await load(door, 200)
      await complete(door)
      await agree(prefix, services, ['one', 'two', 'door'])
    })
  })

  it('is not written by a follower that slept while another took its place', async () => {
    const prefix = 'slept'
    const roles = { seals: 'sequencer', one: 'follower', two: 'follower', door: 'http' }
    await among(prefix, roles, async services => {
      const door = services.get('door') ?? assert.fail()
      const one = services.get('one') ?? assert.fail()
      await load(door, 100)
      await complete(door)
      one.child.kill('SIGSTOP')
      await load(door, 200)
      // Past its session: the group gives its partitions to the other.
      await sleep(8_000)
      await complete(door)
      one.child.kill('SIGCONT')
      await load(door, 200)
      await complete(door)
      await agree(prefix, services, ['one', 'two', 'door'])
    })
  })

  it('is folded by each node while the topic has it in another shape, and then written anew', async () => {
    const prefix = 'shapes'
    await among(prefix, { seals: 'sequencer', folds: 'follower', door: 'http' }, async services => {
      const door = services.get('door') ?? assert.fail()
      await load(door, 200)
      await complete(door)
      assert.equal(await services.get('folds')?.stop(), 0)
      const partition = client.partitionOf('default', 2)
      const place = { topic: `${prefix}.state`, partition }
      const foreign = { ledger: 'default', position: 5, version: stateVersion + 1 }
      const writer = await client.writer(`${prefix}.state-${partition}`)
      await writer.commit(
        stateRecords(place, [{ ...foreign, changes: [{ key: 'x/of-another-shape', value: utf8('{}') }] }]),
      )
      await writer.close()
      await load(door, 100)
      await complete(door, ['default'])
      assert.match((await partOf(door, 'leases')).detail, /folded here for 1 ledgers, .* the shape 4, not 3/)
      services.set('folds', await start(prefix, 'folds', 'follower'))
      await complete(door)
      const late = await start(prefix, 'late', 'http')
      services.set('late', late)
      await complete(late)
      await agree(prefix, services, ['folds', 'door', 'late'])
      const { low, end } = await client.bounds(place)
      const rows = new Set<string>()
      for await (const records of client.read(place, low, end)) {
        for (const { key, isTombstone } of records) {
          const { ledger, row = '' } = stateKey(key) ?? {}
          if (ledger !== 'default') continue
          if (isTombstone === true) rows.delete(row)
          else rows.add(row)
        }
      }
      assert.equal(rows.has('x/of-another-shape'), false)
      assert.ok(rows.size > 10)
    })
  })

  it('goes on from what the topic has, also where a follower’s own rows are ahead of it', async () => {
    const prefix = 'ahead'
    await among(prefix, { seals: 'sequencer', folds: 'follower', door: 'http' }, async services => {
      const door = services.get('door') ?? assert.fail()
      await load(door, 100)
      await complete(door)
      assert.equal(await services.get('folds')?.stop(), 0)
      services.delete('folds')
      await load(door, 100)
      assert.equal((await leasesOf(door, 'default', '?limit=1')).complete, false)
      assert.equal(await door.stop(), 0)
      const log = await openEmbedded(folderOf(prefix, 'door'))
      await rebuildState(log, log.views)
      assert.equal(log.views.position(stateView, 'default'), 200)
      await log.close()
      services.set('door', await start(prefix, 'door', 'http,follower'))
      const late = await start(prefix, 'late', 'http')
      services.set('late', late)
      await complete(late)
      await agree(prefix, services, ['door', 'late'])
    })
  })

  it('is written anew where its topic was lost', async () => {
    const prefix = 'lost'
    await among(prefix, { seals: 'sequencer', folds: 'follower', door: 'http' }, async services => {
      const door = services.get('door') ?? assert.fail()
      await load(door, 200)
      await complete(door)
      assert.equal(await services.get('folds')?.stop(), 0)
      assert.equal(await door.stop(), 0)
      await new Client(kafka.bootstrap).asAdmin(admin => admin.deleteTopics({ topics: [`${prefix}.state`] }))
      services.set('folds', await start(prefix, 'folds', 'follower'))
      const again = await start(prefix, 'door', 'http')
      services.set('door', again)
      await load(again, 100)
      await complete(again)
      const late = await start(prefix, 'late', 'http')
      services.set('late', late)
      await complete(late)
      await agree(prefix, services, ['folds', 'door', 'late'])
    })
  })
})
