import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { type RunningKafka, startKafka } from '../../infra/kafka/start.ts'
import { openEmbedded } from '../../src/log/embedded/open.ts'
import { connectKafka } from '../../src/log/kafka/connect.ts'
import { partsOf } from '../../src/log/kafka/records.ts'
import { noKafka } from '../infra/engines.ts'
import { Client } from '../infra/kafka-client.ts'
import { newFolder } from '../query/folders.ts'
import { created, decision, key, sealed, suite } from '../verify/support.ts'
import { ledgerOf, writeFolder } from './folder.ts'
import { cli } from './run.ts'

const record = new TextEncoder().encode(JSON.stringify({ schema_version: 'aep/v0.3', payload: 'ö'.repeat(400_000) }))
const digest = suite.sha256Hex(record)
const naming = {
  ...decision(2, { type: 'aep.record', data: { record_digest: digest, record_length: record.length } }),
  intake: { record_sig: 'absent' as const },
}
const ledgers = {
  'acme/prod': sealed([created(key, 'acme/prod'), decision(1), naming, decision(3)]),
  default: ledgerOf('default', 40),
  other: ledgerOf('other', 25),
}

describe('aep-ledger verify, of topics', { skip: noKafka }, () => {
  const folder = newFolder()
  const keys = join(folder.path, 'keys.json')
  let kafka: RunningKafka
  before(async () => {
    writeFileSync(keys, JSON.stringify({ keys: [{ key_id: key.keyId, alg: 'ed25519', public_hex: key.publicHex }] }))
    kafka = await startKafka({ brokers: 1, dir: join(folder.path, 'broker') })
    const source = join(folder.path, 'source')
    await writeFolder(source, ledgers)
    const log = await openEmbedded(source)
    await log.putRecord(digest, record)
    await log.close()
    // Of two partitions, one has more than one ledger.
    const copied = await cli(['copy', source, at('sound'), '--keys', keys, '--partitions', '2'])
    assert.equal(copied.code, 0, copied.err)
  })
  after(async () => {
    await kafka?.stop()
    folder.remove()
  })

  const at = (prefix: string): string => `kafka://${kafka.bootstrap.join()}/${prefix}`
  async function verify(prefix: string, ...args: readonly string[]) {
    const temporary = join(folder.path, 'temporary')
    mkdirSync(temporary, { recursive: true })
    const all = ['verify', at(prefix), '--keys', keys, '-o', 'json', ...args]
    const { code, out, err } = await cli(all, { env: { TMPDIR: temporary } })
    assert.deepEqual(readdirSync(temporary), [], 'nothing temporary is left')
    const told = out === '' ? [] : (JSON.parse(out).ledgers as readonly Told[])
    return {
      code,
      err,
      counts: told.map(one => [one.ledger, one.entries]),
      findings: told.flatMap(one => one.findings),
    }
  }
  interface Told {
    readonly ledger: string
    readonly entries: number
    readonly findings: readonly { readonly code: string; readonly seq?: number }[]
  }
  /** A ledger in topics of its own, beside which stands what `beside` writes. */
  async function topicsWith(prefix: string, beside?: Uint8Array): Promise<void> {
    const source = join(folder.path, `source-${prefix}`)
    await writeFolder(source, { 'acme/prod': ledgers['acme/prod'] })
    const from = await openEmbedded(source)
    await from.putRecord(digest, record)
    await from.close()
    const copied = await cli(['copy', source, at(prefix), '--keys', keys, '--partitions', '1'])
    assert.equal(copied.code, 0, copied.err)
    // What stands there is cut off, and what is to stand there instead follows.
    const topic = `${prefix}.records`
    await new Client(kafka.bootstrap).asAdmin(async admin => {
      await admin.fetchTopicOffsets(topic)
      await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '-1' }] })
    })
    const client = await connectKafka({ brokers: kafka.bootstrap })
    const producer = await client.producer()
    if (beside !== undefined) await producer.send(partsOf({ topic, partition: 0 }, digest, beside))
    await producer.close()
    await client.close()
  }

  it('holds, with every ledger and the records kept beside them', async () => {
    const { code, counts, findings } = await verify('sound')
    assert.deepEqual(findings, [])
    assert.equal(code, 0)
    assert.deepEqual(counts, [
      ['acme/prod', 4],
      ['default', 40],
      ['other', 25],
    ])
    assert.deepEqual((await verify('sound', '--ledger', 'other')).counts, [['other', 25]])
  })

  it('does not where a record is gone, unless --records has it', async () => {
    await topicsWith('gone')
    const { code, findings } = await verify('gone')
    assert.equal(code, 10)
    assert.deepEqual(
      findings.map(({ code, seq }) => [code, seq]),
      [['record-missing', 2]],
    )
    const records = join(folder.path, 'records')
    mkdirSync(records)
    writeFileSync(join(records, digest), record)
    assert.equal((await verify('gone', '--records', records)).code, 0)
    writeFileSync(join(records, digest), 'another')
    assert.deepEqual(
      (await verify('gone', '--records', records)).findings.map(({ code }) => code),
      ['record-mismatch'],
    )
    const nowhere = await verify('gone', '--records', join(folder.path, 'nowhere'))
    assert.equal(nowhere.code, 2)
    assert.match(nowhere.err, /There is no folder .*nowhere/)
  })

  it('does not where a record is another', async () => {
    await topicsWith('changed', new TextEncoder().encode('{"schema_version":"aep/v0.3"}'))
    const { code, findings } = await verify('changed')
    assert.equal(code, 10)
    assert.deepEqual(
      findings.map(({ code, seq }) => [code, seq]),
      [['record-mismatch', 2]],
    )
  })

  it('says to try again where there is no such topic, and makes none', async () => {
    const { code, err } = await verify('nothing-here')
    assert.equal(code, 75)
    assert.match(err, /There is no topic nothing-here\.ledger/)
    const names = await new Client(kafka.bootstrap).asAdmin(admin => admin.listTopics())
    assert.ok(!names.some(name => name.startsWith('nothing-here')))
  })
})
