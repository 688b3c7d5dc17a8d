import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { utf8 } from '../../../src/base/bytes.ts'
import { stateRecords } from '../../../src/log/kafka/state-records.ts'
import { stateVersion } from '../../../src/service/state-rows.ts'
import { cli } from '../../cli/run.ts'
import { noKafka } from '../../infra/engines.ts'

import { complete, leasesOf, stateRig } from './state-rig.ts'

describe('the state of leases in a cluster, mended', { skip: noKafka }, () => {
  const { among, load, agree, folderOf, rowsIn, kafka, client } = stateRig('state-mend')

  it('is mended while nodes answer and fold, by the difference to a fold from nothing', async () => {
    const prefix = 'mended'
    await among(prefix, { folds: 'sequencer,follower', door: 'http' }, async services => {
      const door = services.get('door') ?? assert.fail()
      await load(door, 200)
      await complete(door)
      const rebuild = (...args: string[]) =>
        cli(['rebuild', '--state', '--data-dir', folderOf(prefix, 'door'), ...args], {
          env: { AEP_LEDGER_KAFKA_BROKERS: kafka().bootstrap.join(), AEP_LEDGER_KAFKA_PREFIX: prefix },
        })
      const fine = await rebuild('--check')
      assert.deepEqual([fine.code, fine.out], [0, 'state: agrees with the log (804 entries compared)\n'], fine.err)
      assert.match((await rebuild()).out, /^state: folded again from 804 entries; no row of the state topic had to be/)

      const before = await leasesOf(door, 'default', '?limit=1000')
      const partition = client().partitionOf('default', 2)
      const place = { topic: `${prefix}.state`, partition }
      const grants = (await rowsIn(place, 'default')).filter(key => key.startsWith('g/'))
      const writer = await client().writer(`${prefix}.state-${partition}`)
      const changes = [
        { key: grants[0] ?? '', value: undefined },
        { key: grants[1] ?? '', value: utf8('{}') },
        { key: 'g/9999999999999999', value: utf8('{}') },
      ]
      await writer.commit(
        stateRecords(place, [{ ledger: 'default', position: before.as_of, version: stateVersion, changes }]),
      )
      await writer.close()
      const bad = await rebuild('--check')
      assert.equal(bad.code, 10, bad.err)
      assert.deepEqual(bad.out.split('\n').slice(0, 3).sort(), [
        `state-changed default ${grants[1]}`,
        'state-invented default g/9999999999999999',
        `state-missing default ${grants[0]}`,
      ])

      const loading = load(door, 300)
      const mended = await rebuild()
      assert.equal(mended.code, 0, mended.err)
      assert.match(mended.out, /; [34] rows of the state topic are mended\n$/)
      await loading
      await complete(door)
      assert.equal((await rebuild('--check')).code, 0)
      const after = await leasesOf(door, 'default', '?limit=1000')
      assert.ok(after.as_of > before.as_of)
      const known = new Set(after.items.map(lease => lease.lease_id))
      assert.deepEqual(
        before.items.filter(lease => !known.has(lease.lease_id)),
        [],
      )
      await agree(prefix, services, ['folds', 'door'])
    })
  })

  it('is read again by its owner, which has nothing to write, when it was mended', async () => {
    const prefix = 'quiet'
    await among(prefix, { one: 'http,sequencer,follower', door: 'http' }, async services => {
      const [one, door] = [services.get('one') ?? assert.fail(), services.get('door') ?? assert.fail()]
      await load(door, 100)
      await complete(one)
      const partition = client().partitionOf('default', 2)
      const place = { topic: `${prefix}.state`, partition }
      const { as_of, items } = await leasesOf(one, 'default', '?limit=1000')
      const last = (await rowsIn(place, 'default')).findLast(key => key.startsWith('g/')) ?? ''
      const writer = await client().writer(`${prefix}.state-${partition}`)
      const changes = [{ key: last, value: undefined }]
      await writer.commit(stateRecords(place, [{ ledger: 'default', position: as_of, version: stateVersion, changes }]))
      await writer.close()
      for (const at of [door, one]) {
        for (let tries = 0; (await leasesOf(at, 'default', '?limit=1000')).items.length === items.length; tries++) {
          assert.ok(tries < 200, 'the rows of the topic are not read')
          await sleep(100)
        }
      }
    })
  })
})
