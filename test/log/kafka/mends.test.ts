import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { type RunningKafka, startKafka } from '../../../infra/kafka/start.ts'
import { openKafkaLog } from '../../../src/log/kafka/open.ts'
import { LogUnreadable } from '../../../src/log/port.ts'
import { noKafka } from '../../infra/engines.ts'
import { Client } from '../../infra/kafka-client.ts'

const dir = mkdtempSync(join(tmpdir(), 'aep-kafka-mends-'))
after(() => rmSync(dir, { recursive: true, force: true }))

/** `ConfigResourceTypes.TOPIC`. */
const topicResource = 2

describe('topics that would lose what is written to them', { skip: noKafka }, () => {
  let kafka: RunningKafka
  before(async () => {
    kafka = await startKafka({ brokers: 1, dir: join(dir, 'broker') })
  })
  after(() => kafka?.stop())

  const open = async (prefix: string, replication?: number): Promise<void> => {
    const access = { brokers: kafka.bootstrap }
    const more = replication === undefined ? {} : { replication }
    await (await openKafkaLog({ access, prefix, dir: join(dir, prefix), partitions: 2, ...more })).close()
  }
  const refusal = async (prefix: string, replication?: number): Promise<string> => {
    const error = await open(prefix, replication).then(
      () => assert.fail('it was opened'),
      (error: unknown) => error,
    )
    assert.ok(error instanceof LogUnreadable, String(error))
    return error.message
  }
  const admin = () => new Client(kafka.bootstrap)

  it('are refused, and the command that is told makes them fit', async () => {
    await open('set')
    const wrong = [
      { topic: 'set.ledger', name: 'retention.ms', value: '86400000' },
      { topic: 'set.ledger', name: 'cleanup.policy', value: 'compact' },
      { topic: 'set.intake', name: 'unclean.leader.election.enable', value: 'true' },
      { topic: 'set.records', name: 'max.message.bytes', value: '500000' },
    ]
    // What is not named falls back to the broker's default.
    for (const topic of new Set(wrong.map(one => one.topic))) {
      const configEntries = wrong.filter(one => one.topic === topic)
      const resources = [{ type: topicResource, name: topic, configEntries }]
      await admin().asAdmin(it => it.alterConfigs({ validateOnly: false, resources }))
    }
    const told = await refusal('set')
    for (const { topic, name, value } of wrong)
      assert.ok(told.includes(`The topic ${topic} has ${name}=${value}`), told)
    // Done as they say: kafka-configs.sh is not among what Maven Central has of Kafka.
    const command =
      /Mend it: kafka-configs\.sh --bootstrap-server (\S+) --alter --entity-type topics --entity-name (\S+) --add-config (\S+)=(\S+)$/gm
    const mends = [...told.matchAll(command)]
    assert.equal(mends.length, told.split('\n').length, told)
    for (const name of new Set(mends.map(([, , topic = '']) => topic))) {
      const own = mends.filter(([, , topic]) => topic === name)
      for (const [, at] of own) assert.equal(at, kafka.bootstrap.join())
      const configEntries = own.map(([, , , setting = '', value = '']) => ({ name: setting, value }))
      const resources = [{ type: topicResource, name, configEntries }]
      await admin().asAdmin(it => it.alterConfigs({ validateOnly: false, resources }))
    }
    await open('set')
  })

  it('are refused with another number of partitions than they were made with', async () => {
    await open('split')
    await admin().asAdmin(it => it.createPartitions({ topicPartitions: [{ topic: 'split.ledger', count: 3 }] }))
    assert.match(await refusal('split'), /split\.ledger has 3 partitions, and was made with 2/)
  })

  it('are refused with fewer copies than are asked for, with a plan to make more', async () => {
    await open('once')
    const told = await refusal('once', 3)
    assert.match(told, /once\.ledger is kept 1 times, and 3 are asked for/)
    assert.match(
      told,
      /kafka-reassign-partitions\.sh --bootstrap-server 127\.0\.0\.1:\d+ --execute .*"partition":1,"replicas":\[2,3,1\]/,
    )
  })
})
