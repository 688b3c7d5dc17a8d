import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { type RunningKafka, startKafka } from '../../infra/kafka/start.ts'
import { serve } from '../../infra/serve.ts'
import { openKafkaTopics } from '../../src/log/kafka/open.ts'
import { noKafka } from '../infra/engines.ts'
import { Client } from '../infra/kafka-client.ts'
import { newFolder } from '../query/folders.ts'
import { type Diagnosis, doctor } from './doctor.ts'

const prefixes = ['intake', 'ledger', 'heads', 'records', 'control', 'dead', 'state']
const copiesMend = /^bad is kept 1 times, and 3 are asked for; mend it: kafka-reassign-partitions\.sh /

/** Doctor, and what else asks, with the brokers that `kafka` gives. */
const asking = (kafka: () => RunningKafka, dir: string) => ({
  envOf: (prefix: string, replication?: number): Record<string, string> => ({
    AEP_LEDGER_DATA_DIR: join(dir, prefix),
    AEP_LEDGER_KAFKA_BROKERS: kafka().bootstrap.join(),
    AEP_LEDGER_KAFKA_PREFIX: prefix,
    AEP_LEDGER_SEARCH: 'off',
    ...(replication !== undefined && { AEP_LEDGER_KAFKA_REPLICATION: String(replication) }),
  }),
  topics: async (prefix: string): Promise<readonly string[]> => {
    const names = await new Client(kafka().bootstrap).asAdmin(admin => admin.listTopics())
    return names.filter(name => name.startsWith(`${prefix}.`)).sort()
  },
  /** The installation as it was written down, and how often each topic is kept indeed. */
  made: async (prefix: string) => {
    const { client, topics, installation } = await openKafkaTopics({ brokers: kafka().bootstrap }, prefix)
    const states = [...(await client.topics(Object.values(topics))).values()]
    await client.close()
    return { installation, kept: [...new Set(states.map(({ replicas }) => replicas))] }
  },
})

describe('aep-ledger doctor, with a broker', { skip: noKafka }, () => {
  const folder = newFolder()
  let kafka: RunningKafka
  before(async () => {
    kafka = await startKafka({ brokers: 1, dir: join(folder.path, 'broker') })
  })
  after(async () => {
    await kafka?.stop()
    folder.remove()
  })
  const { envOf, topics, made } = asking(() => kafka, folder.path)
  const look = (prefix: string, replication?: number, ...args: readonly string[]): Promise<Diagnosis> =>
    doctor(envOf(prefix, replication), ...args)

  it('says that there are no topics yet, and makes none', async () => {
    const { code, told } = await look('none')
    assert.equal(code, 0)
    assert.deepEqual(told('Kafka'), [`ok 1 brokers answer at ${kafka.bootstrap.join()}`])
    assert.match(told('topics').join(), /^note there are none under none: .* doctor --create-topics$/)
    assert.deepEqual(await topics('none'), [])
    assert.ok(!existsSync(join(folder.path, 'none')), 'nor a data folder')
  })

  it('makes them with --create-topics, as often as there are brokers, under the name that a start takes', async () => {
    const { code, told } = await doctor({ ...envOf('made'), AEP_LEDGER_KAFKA_PARTITIONS: '2' }, '--create-topics')
    assert.equal(code, 0)
    const origin = readFileSync(join(folder.path, 'made', 'origin'), 'utf8').trim()
    const told1 = `note ${origin}: 2 partitions, each kept 1 times: what is acknowledged may be on one broker alone, and is lost with it`
    assert.deepEqual(told('topics'), [told1])
    assert.deepEqual(await topics('made'), prefixes.map(name => `made.${name}`).sort())
    assert.deepEqual(await made('made'), { installation: { origin, partitions: 2, replicas: 1 }, kept: [1] })
    assert.deepEqual((await look('made', undefined, '--create-topics')).told('topics'), [told1], 'and finds them again')
  })

  it('says where more copies are asked for than topics have, or than there are brokers for', async () => {
    await look('once', undefined, '--create-topics')
    const { code, told } = await look('once', 3)
    assert.equal(code, 10)
    assert.match(told('brokers').join(), /^bad AEP_LEDGER_KAFKA_REPLICATION asks for 3 copies, and there are 1: /)
    for (const topic of await topics('once')) assert.match(told(topic)[0] ?? '', copiesMend, topic)
    const unmade = await look('unmade', 3, '--create-topics')
    assert.equal(unmade.code, 10)
    assert.equal(unmade.told('brokers').length, 1)
    assert.deepEqual(await topics('unmade'), [], 'none that no broker could keep as often as that')
  })

  it('says what is wrong with a topic, and which are gone, with what mends it', async () => {
    await look('hurt', undefined, '--create-topics')
    await new Client(kafka.bootstrap).asAdmin(async admin => {
      const configEntries = [{ name: 'retention.ms', value: '86400000' }]
      await admin.alterConfigs({ validateOnly: false, resources: [{ type: 2, name: 'hurt.ledger', configEntries }] })
      await admin.deleteTopics({ topics: ['hurt.records'] })
    })
    const { code, told } = await look('hurt')
    assert.equal(code, 10)
    assert.match(told('hurt.ledger').join(), /^bad has retention\.ms=86400000: .*; mend it: kafka-configs\.sh /)
    assert.match(told('hurt.records').join(), /^bad is gone: carry the ledgers .* with aep-ledger copy/)
  })

  it('says that no broker answers, and that none is named to make topics at', async () => {
    const nobody = await doctor({ ...envOf('any'), AEP_LEDGER_KAFKA_BROKERS: '127.0.0.1:9' })
    assert.deepEqual([nobody.code, nobody.told('Kafka').length], [10, 1])
    const unnamed = await doctor({}, '--create-topics')
    assert.equal(unnamed.code, 10)
    assert.deepEqual(unnamed.told('Kafka'), ['bad no cluster is named: set AEP_LEDGER_KAFKA_BROKERS'])
  })
})

describe('with three brokers', { skip: noKafka }, () => {
  const folder = newFolder()
  let kafka: RunningKafka
  before(async () => {
    kafka = await startKafka({ brokers: 3, dir: join(folder.path, 'brokers') })
  })
  after(async () => {
    await kafka?.stop()
    folder.remove()
  })
  const { envOf, made } = asking(() => kafka, folder.path)
  /** What a service logged that started on that prefix, as a sequencer without more. */
  async function startedOn(prefix: string, replication?: number): Promise<string> {
    const token = { AEP_LEDGER_ADMIN_TOKEN: 'a-token-of-sixteen-or-more', AEP_LEDGER_KAFKA_PARTITIONS: '1' }
    const env = { ...envOf(prefix, replication), ...token, AEP_LEDGER_ORIGIN: 'copies.example' }
    const serving = await serve(join(folder.path, prefix), env)
    await serving.stop()
    return serving.log()
  }
  const warning = /"level":40,.*"replicas":1,.*what is acknowledged may be on one broker alone/

  it('a first start keeps everything three times unless it is told otherwise, and writes that down', async () => {
    const log = await startedOn('thrice')
    const installation = { origin: 'copies.example', partitions: 1, replicas: 3 }
    assert.deepEqual(await made('thrice'), { installation, kept: [3] })
    assert.doesNotMatch(log, /on one broker alone/)
    const { code, told } = await doctor(envOf('thrice'))
    assert.equal(code, 0)
    assert.deepEqual(told('topics'), ['ok copies.example: 1 partitions, each kept 3 times'])
  })

  it('doctor says that one is down', async () => {
    await kafka.kill(3)
    let found = await doctor(envOf('thrice'))
    // The others hear of it when its session has run out.
    for (let tries = 0; found.told('brokers').length === 0 && tries < 60; tries++) found = await doctor(envOf('thrice'))
    assert.equal(found.code, 10)
    assert.deepEqual(found.told('brokers'), ['bad 2 are up, and topics are kept 3 times: start the rest'])
    await kafka.start(3)
  })

  it('one that is to keep everything once does, and every start warns of it', async () => {
    assert.match(await startedOn('single', 1), warning)
    const installation = { origin: 'copies.example', partitions: 1, replicas: 1 }
    assert.deepEqual(await made('single'), { installation, kept: [1] })
    assert.match(await startedOn('single'), warning)
    const { code, told } = await doctor(envOf('single'))
    assert.equal(code, 0)
    assert.match(told('topics').join(), /^note .*lost with it; with AEP_LEDGER_KAFKA_REPLICATION=3 doctor says how/)
  })

  it('one that finds fewer copies than it is to have does not start, and doctor says the same', async () => {
    await assert.rejects(
      startedOn('single', 3),
      /ended with \d+: .*single\.ledger is kept 1 times, and 3 are asked for/s,
    )
    const { code, told } = await doctor(envOf('single', 3))
    assert.equal(code, 10)
    assert.deepEqual(told('brokers'), [])
    assert.match(told('single.ledger')[0] ?? '', copiesMend)
  })
})
