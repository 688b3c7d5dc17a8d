import assert from 'node:assert/strict'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { Kafka, logLevel } from 'kafkajs'
import { type RunningKafka, startKafka } from '../../infra/kafka/start.ts'
import { serve } from '../../infra/serve.ts'
import { CliError } from '../../src/cli/exit.ts'
import { openKafka } from '../../src/cli/source/kafka.ts'
import type { StoredEntry } from '../../src/ledger/entry.ts'
import { recordMark } from '../../src/ledger/kept-record.ts'
import { emptyHead } from '../../src/ledger/seal.ts'
import type { TokenRecord } from '../../src/log/control.ts'
import { openEmbedded, openEmbeddedReader } from '../../src/log/embedded/open.ts'
import type { KafkaLog } from '../../src/log/kafka/log.ts'
import { openKafkaLog } from '../../src/log/kafka/open.ts'
import { openLedgerTopic } from '../../src/log/kafka/read.ts'
import type { SourceEntry } from '../../src/verify/port.ts'
import { noKafka } from '../infra/engines.ts'
import { created, decision, key, sealed, suite } from '../verify/support.ts'
import { cutShort } from './cut-short.ts'
import { digestOf, ledgerOf, writeFolder } from './folder.ts'
import { cli, type Ran, stackLine } from './run.ts'

const dir = mkdtempSync(join(tmpdir(), 'aep-ledger-copy-kafka-'))
after(() => rmSync(dir, { recursive: true, force: true }))

let names = 0
const newPlace = (): string => join(dir, `place-${++names}`)
const keys = join(dir, 'keys.json')
writeFileSync(keys, JSON.stringify({ keys: [{ key_id: key.keyId, alg: 'ed25519', public_hex: key.publicHex }] }))

const copy = (...args: readonly string[]): Promise<Ran> => cli(['copy', ...args])
const plain = (entries: readonly (SourceEntry | StoredEntry)[]) =>
  entries.map(({ bytes, signature }) => ({ bytes: new Uint8Array(bytes), signature: new Uint8Array(signature) }))

async function entriesIn(folder: string, ledger: string) {
  const reader = await openEmbeddedReader(folder)
  const entries = await reader.read(ledger, 0, 1_000_000, Number.MAX_SAFE_INTEGER)
  await reader.close()
  return plain(entries)
}

const record = new TextEncoder().encode(JSON.stringify({ schema_version: 'aep/v0.3', payload: 'ö'.repeat(400_000) }))
const digest = suite.sha256Hex(record)
const naming = {
  ...decision(3, { type: 'aep.record', data: { record_digest: digest, record_length: record.length } }),
  intake: { record_sig: 'absent' as const },
}
const small = sealed([created(key, 'acme/prod'), decision(1), decision(2), naming, decision(4)])
const large = ledgerOf('default', 3_300)

async function writeSource(folder: string): Promise<void> {
  await writeFolder(folder, { 'acme/prod': small, default: large })
  const log = await openEmbedded(folder)
  await log.putRecord(digest, record)
  await log.close()
}

const token: TokenRecord = {
  ...{ id: 'one', label: 'new', role: 'admin', ledgers: ['*'], sources: [], createdAt: '2026-01-01T00:00:00.000Z' },
  sha256: 'a'.repeat(64),
}

describe('aep-ledger copy, with a broker', { skip: noKafka }, () => {
  const source = join(dir, 'source')
  let kafka: RunningKafka
  before(async () => {
    kafka = await startKafka({ brokers: 1, dir: join(dir, 'broker') })
    await writeSource(source)
  })
  after(() => kafka.stop())

  const at = (prefix: string): string => `kafka://${kafka.bootstrap.join()}/${prefix}`
  const openLog = (prefix: string): Promise<KafkaLog> =>
    openKafkaLog({ access: { brokers: kafka.bootstrap }, prefix, dir: newPlace() })
  async function topicOf(prefix: string, ledger: string) {
    const topic = await openLedgerTopic({ brokers: kafka.bootstrap }, prefix)
    const entries: { bytes: Uint8Array; signature: Uint8Array }[] = []
    for await (const some of topic.entries(ledger)) entries.push(...some)
    await topic.close()
    return plain(entries as SourceEntry[])
  }
  async function topics(): Promise<readonly string[]> {
    const admin = new Kafka({ brokers: [...kafka.bootstrap], logLevel: logLevel.NOTHING }).admin()
    await admin.connect()
    const there = await admin.listTopics()
    await admin.disconnect()
    return there
  }

  it('carries ledgers into Kafka and back, not a byte changed, with the records beside them', async () => {
    const replica = newPlace()
    const made = ['--partitions', '3', '--replication', '1', '--data-dir', replica]
    const there = await copy(source, at('there'), '--keys', keys, ...made, '-o', 'json')
    assert.equal(there.code, 0, there.err)
    assert.deepEqual(
      JSON.parse(there.out).ledgers.map((it: Record<string, unknown>) => [it['copied'], it['records'], it['verdict']]),
      [
        [5, 1, 'verified'],
        [3_300, 0, 'verified'],
      ],
    )
    assert.deepEqual(await topicOf('there', 'acme/prod'), plain(small))
    assert.equal(digestOf(await topicOf('there', 'default')), digestOf(large))
    assert.equal(digestOf(await entriesIn(replica, 'default')), digestOf(large))
    const log = await openLog('there')
    assert.deepEqual(log.installation, { origin: 'test.example', partitions: 3, replicas: 1 })
    assert.notEqual(log.partitionOf('default'), log.partitionOf('acme/prod'), 'not all is in one partition')
    await log.close()

    const [back, temporary] = [newPlace(), newPlace()]
    mkdirSync(temporary)
    const { code, out, err } = await cli(['copy', at('there'), back, '--keys', keys], { env: { TMPDIR: temporary } })
    assert.equal(code, 0, err)
    assert.match(out, /^VERIFIED .* 2 ledgers · 3,305 entries copied/)
    assert.deepEqual(await entriesIn(back, 'acme/prod'), plain(small))
    assert.equal(digestOf(await entriesIn(back, 'default')), digestOf(large))
    const reader = await openEmbeddedReader(back)
    assert.deepEqual(await reader.record(digest), record)
    const mark = recordMark(suite, 'acme/prod', digest)
    assert.deepEqual(await reader.record(mark.key), mark.value)
    await reader.close()
    for (const place of [replica, back]) assert.equal((await cli(['verify', place, '--keys', keys])).code, 0)
    assert.deepEqual(readdirSync(temporary), [], 'nothing temporary is left')
  })

  it('carries ledgers from one prefix to another while the first is written, and disturbs nobody there', async () => {
    const log = await openLog('first')
    await log.putToken({ ...token, label: 'old' })
    await log.putToken(token)
    await grow(log, large.slice(0, 50))
    const first = await copy(at('first'), at('second'), '--keys', keys, '--tokens', '-o', 'json')
    assert.equal(first.code, 0, first.err)
    assert.equal(JSON.parse(first.out).tokens, 1)
    await grow(log, large.slice(0, 80))
    const second = await copy(at('first'), at('second'), '--keys', keys, '-o', 'json')
    assert.equal(second.code, 0, second.err)
    const [{ already, copied, head, same_as_source }] = JSON.parse(second.out).ledgers
    assert.deepEqual([already, copied, same_as_source], [50, 30, true])
    assert.deepEqual(await log.head('default'), {
      ...{ seq: head.seq, leafHash: head.leaf_hash, recordedAt: head.recorded_at },
    })
    assert.deepEqual(await topicOf('second', 'default'), plain(large.slice(0, 80)))
    await log.close()
    const copied2 = await openLog('second')
    assert.deepEqual(await copied2.tokens(), [token])
    await copied2.close()
  })

  it('goes on after kill -9 where it was, and has every entry once', async () => {
    const long = newPlace()
    const entries = ledgerOf('default', 12_000)
    await writeFolder(long, { default: entries })
    const replica = newPlace()
    const args = [long, at('cut'), '--keys', keys]
    await cutShort([...args, '--data-dir', replica], replica)
    // Readers of the topic may see less: a commit that was answered is not shown to them at once.
    const had = (await entriesIn(replica, 'default')).length
    assert.ok(had >= 1_000 && had < entries.length, `cut with ${had}`)
    const { code, out, err } = await copy(...args, '--data-dir', replica, '-o', 'json')
    assert.equal(code, 0, err)
    const [{ already, copied }] = JSON.parse(out).ledgers
    // A commit that was under way when the copy died counts, or does not.
    assert.ok(already >= had && already + copied === entries.length, `${already} there, ${copied} copied`)
    assert.equal(digestOf(await topicOf('cut', 'default')), digestOf(entries))
  })

  it('refuses a prefix with another history, before it takes the log over from anybody', async () => {
    const sound = newPlace()
    await writeFolder(sound, { default: large.slice(0, 4) })
    assert.equal((await copy(sound, at('other'), '--keys', keys)).code, 0)
    const owner = await openLog('other')
    await grow(owner, large.slice(0, 5))
    const changed = newPlace()
    await writeFolder(changed, { default: sealed([created(key, 'default'), decision(1), decision(7)].map(inDefault)) })
    const { code, err } = await copy(changed, at('other'), '--keys', keys)
    assert.equal(code, 10)
    assert.match(err, /holds another history of default from seq 2 on\. Nothing was written/)
    await grow(owner, large.slice(0, 6))
    await owner.close()
  })

  it('stops at what somebody else put into the topic, and names its place', async () => {
    assert.equal((await copy(source, at('poisoned'), '--keys', keys, '--ledger', 'acme/prod')).code, 0)
    const producer = new Kafka({ brokers: [...kafka.bootstrap], logLevel: logLevel.NOTHING }).producer()
    await producer.connect()
    await producer.send({ topic: 'poisoned.ledger', messages: [{ key: 'acme/prod', value: '{}' }] })
    await producer.disconnect()
    const target = newPlace()
    const { code, out } = await copy(at('poisoned'), target, '--keys', keys)
    assert.equal(code, 10)
    assert.match(out, /seq 5 {2}/)
    assert.deepEqual(await entriesIn(target, 'acme/prod'), plain(small))
  })

  it('says what is wrong with a place in Kafka, and makes no topic by asking', async () => {
    const { code, err } = await copy(at('nothing-here'), newPlace())
    assert.equal(code, 2)
    assert.match(err, /There is no topic nothing-here\.ledger at .*\n.*kafka:\/\/HOST:PORT\/PREFIX/)
    assert.doesNotMatch(err, stackLine)
    assert.equal((await copy(source, at('not-made'), '--ledger', 'nowhere')).code, 2)
    assert.deepEqual(
      (await topics()).filter(name => /^(nothing-here|not-made)/.test(name)),
      [],
    )
    assert.equal((await copy(at('there'), at('there'))).code, 2)
    const other = await copy(source, at('there'), '--keys', keys, '--partitions', '4')
    assert.equal(other.code, 2)
    assert.match(other.err, /has 3 partitions, and keeps them/)
    const login = { env: { AEP_LEDGER_KAFKA_SASL_MECHANISM: 'plain' } }
    const unfit = await cli(['copy', at('there'), newPlace()], login)
    assert.deepEqual([unfit.code, /plain needs AEP_LEDGER_KAFKA_SASL_USERNAME/.test(unfit.err)], [2, true], unfit.err)
  })

  it('gives a service its log: from a data folder to Kafka and back, each goes on with the chain', async () => {
    const quiet = { AEP_LEDGER_SEARCH: 'off', AEP_LEDGER_LOG_LEVEL: 'error' }
    const [origin, data, replica, back] = ['moved.example', newPlace(), newPlace(), newPlace()]
    const env = { ...quiet, AEP_LEDGER_ADMIN_TOKEN: 'a-token-of-sixteen-or-more' }
    const places = [
      { folder: data, env: { ...env, AEP_LEDGER_ORIGIN: origin } },
      {
        folder: replica,
        env: { ...env, AEP_LEDGER_KAFKA_BROKERS: kafka.bootstrap.join(), AEP_LEDGER_KAFKA_PREFIX: 'moved' },
      },
      { folder: back, env },
    ]
    const moves = [
      [data, at('moved'), '--data-dir', replica],
      [at('moved'), back],
    ]
    const pinned = join(dir, 'pinned.json')
    for (const [n, place] of places.entries()) {
      if (n > 0) {
        const { code, out, err } = await copy(...(moves[n - 1] ?? []), '--keys', pinned, '-o', 'json')
        assert.equal(code, 0, err)
        assert.equal(JSON.parse(out).origin, origin)
        cpSync(join(data, 'keys'), join(place.folder, 'keys'), { recursive: true })
      }
      const serving = await serve(place.folder, place.env)
      try {
        const response = await fetch(`${serving.url}/v1/ledgers/default/events`, {
          method: 'POST',
          headers: { authorization: `Bearer ${serving.token}`, 'content-type': 'application/cloudevents+json' },
          body: JSON.stringify(n === 0 ? { ...event(n), type: 'aep.record', data: { record: text } } : event(n)),
        })
        assert.equal(response.status, 201)
        const headers = { authorization: `Bearer ${serving.token}` }
        const read = await fetch(`${serving.url}/v1/ledgers/default/entries/1/record`, { headers })
        assert.equal(await read.text(), text)
      } finally {
        await serving.stop()
      }
      if (n === 0) writeFileSync(pinned, (await cli(['keys', 'export', data])).out)
    }
    const verified = await cli(['verify', back, '--keys', pinned, '--min-entries', '4'])
    assert.equal(verified.code, 0, verified.out)
    assert.equal(readFileSync(join(back, 'origin'), 'utf8').trim(), origin)
  })

  it('is told, where no broker answers in the middle of a reading, to try again', async () => {
    const opened = await openKafka({ about: at('there'), access: { brokers: kafka.bootstrap }, prefix: 'there' }, {})
    await kafka.kill(1)
    for (const one of opened.sources) {
      const reading = one.entries(0)[Symbol.asyncIterator]()
      await assert.rejects(
        async () => void (await reading.next()),
        (error: unknown) => error instanceof CliError && error.exitCode === 75 && /can't be read/.test(error.message),
      )
    }
    await opened.close()
    await kafka.start(1)
  })
})

/** Appends those of `entries`, a ledger `default`, that it does not have. */
async function grow(log: KafkaLog, entries: readonly SourceEntry[]): Promise<void> {
  const folder = newPlace()
  await writeFolder(folder, { default: entries })
  const reader = await openEmbeddedReader(folder)
  const after = (await log.head('default')) ?? emptyHead
  const [stored, head] = [await reader.read('default', after.seq + 1, 10_000), await reader.head('default')]
  await reader.close()
  assert.ok(head !== undefined)
  const ids = stored.map(({ seq }) => ({ source: 'urn:gateway:one', id: `event-${seq}` }))
  await log.append({ ledger: 'default', entries: stored, ids, after, head })
}

const text = new TextDecoder().decode(record)

const event = (n: number): Record<string, unknown> => ({
  ...{ specversion: '1.0', id: `moved-${n}`, source: 'urn:gateway:copy', type: 'aep.decision' },
  ...{ time: '2026-01-01T00:00:00Z', data: { decision: 'allow' } },
})

const inDefault = <Draft extends object>(draft: Draft) => ({ ...draft, frame: { ledger: 'default' } })
