import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { utf8 } from '../../../src/base/bytes.ts'
import { openEmbedded } from '../../../src/log/embedded/open.ts'
import { stateRecords } from '../../../src/log/kafka/state-records.ts'
import { stateVersion, stateView } from '../../../src/service/state-rows.ts'
import { rebuildState } from '../../../src/service/state-view.ts'
import { noKafka } from '../../infra/engines.ts'
import { Client } from '../../infra/kafka-client.ts'

import { complete, headers, leasesOf, partOf, send, stateRig } from './state-rig.ts'

describe('the state of leases in a cluster', { skip: noKafka }, () => {
  const { among, load, agree, folderOf, start, rowsIn, kafka, client } = stateRig('state')

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
      const partition = client().partitionOf('default', 2)
      const place = { topic: `${prefix}.state`, partition }
      const foreign = { ledger: 'default', position: 5, version: stateVersion + 1 }
      const writer = await client().writer(`${prefix}.state-${partition}`)
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
      const rows = await rowsIn(place, 'default')
      assert.equal(rows.includes('x/of-another-shape'), false)
      assert.ok(rows.length > 10)
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
      services.delete('door')
      await new Client(kafka().bootstrap).asAdmin(admin => admin.deleteTopics({ topics: [`${prefix}.state`] }))
      services.set('folds', await start(prefix, 'folds', 'follower'))
      // The one that knew the old topic comes when the new one has grown past the place where it was left.
      const other = await start(prefix, 'other', 'http')
      services.set('other', other)
      await load(other, 800)
      await complete(other)
      const again = await start(prefix, 'door', 'http')
      services.set('door', again)
      await complete(again)
      const late = await start(prefix, 'late', 'http')
      services.set('late', late)
      await complete(late)
      await agree(prefix, services, ['folds', 'door', 'late'])
    })
  })
})
