import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { zstdCompressSync } from 'node:zlib'
import kafkajs from 'kafkajs'
import { kafkaJars } from '../../../infra/kafka/jars.ts'
import { findJava } from '../../../infra/kafka/java.ts'
import { type RunningKafka, startKafka } from '../../../infra/kafka/start.ts'
import { seededRandom } from '../../../infra/sample-stream.ts'
import { type KafkaRecord, Undecodable } from '../../../src/log/kafka/client.ts'
import { readIntake } from '../../../src/log/kafka/intake-record.ts'
import { readCompressed } from '../../../src/log/kafka/kafkajs-codecs.ts'
import { fromLz4 } from '../../../src/log/kafka/lz4.ts'
import { fromSnappy } from '../../../src/log/kafka/snappy.ts'
import { noKafka } from '../../infra/engines.ts'
import { Adapter, records } from './rules/adapter.ts'
import { Plain } from './rules/plain.ts'

const random = seededRandom(7)
const noise = (bytes: number): string =>
  Buffer.from(Array.from({ length: bytes }, () => Math.floor(random() * 256))).toString('base64')
/** Short and long, alike and not: literals, copies near and far, runs. */
const values = [
  ...Array.from({ length: 300 }, (_, n) => JSON.stringify({ n, type: 'aep.decision', decision: 'allow' })),
  ...['', 'x'.repeat(200_000), noise(100_000), 'ab'.repeat(70_000), noise(20), 'last'],
]

describe('compressed batches', { skip: noKafka }, () => {
  const dir = mkdtempSync(join(tmpdir(), 'aep-kafka-compression-'))
  let kafka: RunningKafka
  let ours: Adapter
  before(async () => {
    kafka = await startKafka({ brokers: 1, dir })
    ours = await Adapter.open(kafka.bootstrap)
  })
  after(async () => {
    await ours?.close()
    await kafka?.stop()
    rmSync(dir, { recursive: true, force: true })
  })
  const create = (name: string, compression: string) =>
    ours.client.create([{ name, partitions: 1, replicas: 1, settings: { 'compression.type': compression } }])

  /** More records in one batch than are taken, and fewer bytes than a broker takes, by Kafka’s own producer. */
  async function sendCrowd(topic: string): Promise<void> {
    const { program } = await findJava()
    const { classPath } = await kafkaJars(() => {}, undefined, 'tools.xml')
    const sending = promisify(execFile)(program, [
      ...['-Xmx256m', '-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-cp', classPath],
      'org.apache.kafka.tools.ConsoleProducer',
      ...['--bootstrap-server', kafka.bootstrap.join(), '--topic', topic, '--compression-codec', 'gzip'],
      ...['--max-partition-memory-bytes', '1000000', '--timeout', '60000'],
    ])
    sending.child.stdin?.end('\n'.repeat(60_000))
    await sending
  }

  for (const compression of ['gzip', 'snappy', 'lz4', 'zstd'])
    it(`are read as they were written, whatever a broker makes of them: ${compression}`, async () => {
      await create(compression, compression)
      const writer = await ours.writer(compression)
      await ours.commit(writer, records(compression, values))
      await writer.close()
      assert.deepEqual(await ours.values(compression), values)
    })

  it('that can not be decoded stop their place alone, or are passed over', async t => {
    await Promise.all(['crowded', 'goes-on'].map(topic => create(topic, 'producer')))
    const plain = new Plain(kafka.bootstrap)
    t.after(() => plain.close())
    const producer = await plain.producer()
    const send = (topic: string, values: string[]) =>
      producer.send({ topic, messages: values.map(value => ({ partition: 0, value })) })
    await send('crowded', ['before'])
    await sendCrowd('crowded')
    await send('crowded', ['after'])
    await send('goes-on', ['one'])

    const troubles: unknown[] = []
    const follow = async (isPassedOver: boolean) => {
      const followed = { crowded: [] as KafkaRecord[], 'goes-on': [] as KafkaRecord[], stopped: [] as unknown[] }
      const tail = await ours.client.tail({
        places: (['crowded', 'goes-on'] as const).map(topic => ({ topic, partition: 0, from: 0, isPassedOver })),
        take: async ({ topic }, records) => void followed[topic as 'crowded' | 'goes-on'].push(...records),
        onStopped: (_, error) => followed.stopped.push(error),
        onTrouble: error => {
          if (error !== undefined) troubles.push(error)
        },
      })
      t.after(() => tail.close())
      return followed
    }
    const [stops, passes] = [await follow(false), await follow(true)]
    const texts = (records: readonly KafkaRecord[]) => records.map(({ value }) => Buffer.from(value).toString())
    const until = async (is: () => boolean) => {
      for (const untilMs = performance.now() + 20_000; !is() && performance.now() < untilMs; ) await sleep(20)
    }
    await until(() => passes.crowded.length === 3 && stops.stopped.length === 1)
    await send('goes-on', ['two'])
    await until(() => [stops, passes].every(followed => followed['goes-on'].length === 2))

    for (const followed of [stops, passes]) assert.deepEqual(texts(followed['goes-on']), ['one', 'two'])
    assert.deepEqual(texts(stops.crowded), ['before'])
    const [stopped] = stops.stopped
    assert.ok(stopped instanceof Undecodable)
    const why = /^crowded\/0 can’t be decoded at offset 1: BatchFault: gzip: it holds 60000 records$/
    assert.match(stopped.message, why)
    const [first, standIn, last] = passes.crowded
    assert.deepEqual([first?.offset, standIn?.offset, last?.offset], [0, 60_000, 60_001])
    assert.match(Buffer.from(standIn?.value ?? []).toString(), why)
    assert.ok(standIn !== undefined)
    assert.equal(readIntake('aep', 0, new Uint8Array(32), standIn), 'unauthenticated')
    assert.deepEqual(troubles, [])
  })
})

describe('a compressed batch that comes to more than fits', () => {
  it('is given up before all of it is there', async () => {
    readCompressed()
    const zstd = (kafkajs.CompressionCodecs as Record<number, () => { decompress(bytes: Buffer): Promise<Buffer> }>)[4]
    const bomb = zstdCompressSync(Buffer.alloc(257 << 20))
    assert.ok(bomb.length < 100_000)
    await assert.rejects(Promise.resolve(zstd?.().decompress(bomb)), /BatchFault: zstd: Cannot create a Buffer larger/)
  })

  it('is given up by snappy and LZ4, to the byte', () => {
    const snappy = Uint8Array.of(8, 0x00, 97, 0x0d, 1)
    assert.equal(Buffer.from(fromSnappy(snappy, 8)).toString(), 'aaaaaaaa')
    assert.throws(() => fromSnappy(snappy, 7), /more than 7 bytes/)
    assert.equal(Buffer.from(fromLz4(lz4, 20)).toString(), 'a'.repeat(20))
    assert.throws(() => fromLz4(lz4, 19), /more than 19 bytes/)
  })

  it('or is cut off, or refers to what is not there, never yields bytes of something else', () => {
    for (const [decode, whole] of [
      [fromSnappy, Uint8Array.of(8, 0x00, 97, 0x0d, 1)],
      [fromLz4, lz4],
    ] as const) {
      for (let length = 0; length < whole.length; length += 1)
        assert.throws(() => decode(whole.subarray(0, length), 100), RangeError, `${decode.name} of ${length} bytes`)
    }
    assert.throws(() => fromSnappy(Uint8Array.of(8, 0x00, 97, 0x0d, 2), 100), /copies what is not there/)
    assert.throws(() => fromLz4(lz4.with(13, 2), 100), /copies what is not there/)
  })
})

/** A frame of one block: a literal, fourteen more of it by a copy, and five literals, with which a block ends. */
const lz4 = Uint8Array.from([
  ...[0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82],
  ...[10, 0, 0, 0, 0x1a, 97, 1, 0, 0x50, 97, 97, 97, 97, 97],
  ...[0, 0, 0, 0],
])
