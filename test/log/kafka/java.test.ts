import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { promisify } from 'node:util'
import { kafkaJars } from '../../../infra/kafka/jars.ts'
import { findJava } from '../../../infra/kafka/java.ts'
import { type RunningKafka, startKafka } from '../../../infra/kafka/start.ts'
import type { Head } from '../../../src/ledger/entry.ts'
import type { KafkaLog } from '../../../src/log/kafka/log.ts'
import { openKafkaLog } from '../../../src/log/kafka/open.ts'
import type { AppendBatch } from '../../../src/log/port.ts'
import { noKafka } from '../../infra/engines.ts'
import { batchAfter } from '../batches.ts'

const dir = mkdtempSync(join(tmpdir(), 'aep-kafka-java-'))
after(() => rmSync(dir, { recursive: true, force: true }))

/** A record as Kafka's own console consumer prints it. */
interface Printed {
  readonly partition: number
  readonly headers: Readonly<Record<string, string>>
  readonly key: string
  readonly value: string
}

describe('what Kafka’s own consumer reads of the ledger topic', { skip: noKafka }, () => {
  let kafka: RunningKafka
  let log: KafkaLog
  const batches: AppendBatch[] = []
  before(async () => {
    kafka = await startKafka({ brokers: 1, dir: join(dir, 'broker') })
    const access = { brokers: kafka.bootstrap }
    log = await openKafkaLog({ access, prefix: 'aep', dir: join(dir, 'replica'), partitions: 3 })
    const heads = new Map<string, Head>()
    for (const [n, ledger] of ['a', 'b/c', 'default', 'a', 'default', 'zeta', 'a'].entries()) {
      const batch = batchAfter(heads.get(ledger), { ledger, count: 1 + 40 * n })
      await log.append(batch)
      heads.set(ledger, batch.head)
      batches.push(batch)
    }
    await log.putToken({
      ...{ id: 't1', label: 'one', sha256: '0'.repeat(64), role: 'read', ledgers: ['*'], sources: [] },
      createdAt: '2026-11-01T00:00:00.000Z',
    })
  })
  after(async () => {
    await log?.close()
    await kafka?.stop()
  })

  it('is every entry that was appended, in order, in the partition of its ledger, and nothing else', async () => {
    const printed = await consume('aep.ledger')
    for (const ledger of new Set(batches.map(batch => batch.ledger))) {
      const own = batches.filter(batch => batch.ledger === ledger)
      const found = printed.filter(({ key }) => key === ledger)
      assert.deepEqual(
        found.map(({ value, headers }) => [value, headers['seq'], headers['id']]),
        own.flatMap(({ entries, ids }) =>
          entries.map(({ bytes, seq }, n) => [
            Buffer.from(bytes).toString(),
            String(seq),
            JSON.stringify([ids[n]?.source, ids[n]?.id]),
          ]),
        ),
      )
      assert.deepEqual([...new Set(found.map(({ partition }) => partition))], [log.partitionOf(ledger).number])
    }
    assert.equal(
      printed.length,
      batches.reduce((sum, { entries }) => sum + entries.length, 0),
    )
  })

  it('says of each ledger, in the heads topic, where it ends, and of the installation how it was made', async () => {
    const heads = new Map(
      (await consume('aep.heads')).map(({ key, value }) => [key, JSON.parse(value) as { seq: number }]),
    )
    for (const { ledger } of batches) assert.equal(heads.get(ledger)?.seq, (await log.head(ledger))?.seq)
    const control = new Map((await consume('aep.control')).map(({ key, value }) => [key, JSON.parse(value) as object]))
    assert.deepEqual(control.get('installation'), { origin: 'ledger.invalid', partitions: 3, replicas: 1 })
    assert.ok(control.has('token/t1'))
  })

  /** Everything committed in a topic, by Kafka's console consumer. */
  async function consume(topic: string): Promise<Printed[]> {
    const { program } = await findJava()
    const { classPath } = await kafkaJars(() => {}, undefined, 'tools.xml')
    const print = ['partition', 'headers', 'key'].flatMap(what => ['--formatter-property', `print.${what}=true`])
    const separators = [
      ...['--formatter-property', 'key.separator=<#field#>', '--formatter-property', 'line.separator=<#record#>'],
      ...['--formatter-property', 'headers.separator=<#header#>'],
    ]
    const { stdout } = await promisify(execFile)(
      program,
      [
        ...['-Xmx256m', '-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-cp', classPath],
        'org.apache.kafka.tools.consumer.ConsoleConsumer',
        ...['--bootstrap-server', kafka.bootstrap.join(), '--topic', topic, '--from-beginning'],
        ...['--isolation-level', 'read_committed', '--timeout-ms', '10000', ...print, ...separators],
      ],
      { maxBuffer: 1 << 28 },
    )
    return stdout.split('<#record#>').slice(0, -1).map(recordIn)
  }
})

function recordIn(text: string): Printed {
  const [partition = '', headers = '', key = '', value = ''] = text.split('<#field#>')
  return {
    partition: Number(/\d+/.exec(partition)?.[0]),
    headers: Object.fromEntries(
      headers
        .split('<#header#>')
        .map(header => [header.slice(0, header.indexOf(':')), header.slice(header.indexOf(':') + 1)]),
    ),
    key,
    value,
  }
}
