import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { type RunningKafka, startKafka } from '../../../infra/kafka/start.ts'
import type { KafkaLog } from '../../../src/log/kafka/log.ts'
import { openKafkaLog } from '../../../src/log/kafka/open.ts'
import { recordsOf } from '../../../src/log/kafka/records.ts'
import { type AppendBatch, NotWritten } from '../../../src/log/port.ts'
import { noKafka } from '../../infra/engines.ts'
import { batchAfter } from '../batches.ts'
import { leaveOpen } from './raw.ts'

/** A broker killed between answering a commit and writing its markers leaves this; here it is made by hand. */
describe('a transaction that Kafka holds for ended, without its marker', { skip: noKafka }, () => {
  const dir = mkdtempSync(join(tmpdir(), 'aep-kafka-hanging-'))
  let kafka: RunningKafka
  before(async () => {
    const properties = { 'transaction.partition.verification.enable': 'false' }
    kafka = await startKafka({ brokers: 1, dir: join(dir, 'broker'), besides: { listeners: {}, properties } })
  })
  after(async () => {
    await kafka?.stop()
    rmSync(dir, { recursive: true, force: true })
  })

  const open = (prefix: string): Promise<KafkaLog> =>
    openKafkaLog({ access: { brokers: kafka.bootstrap }, prefix, dir: join(dir, prefix), partitions: 1 })

  /** A ledger of one batch, with the first `count` records of the next one open behind it. */
  const begun = async (
    prefix: string,
    id = `${prefix}.ledger-0`,
    count?: number,
  ): Promise<{ log: KafkaLog; one: AppendBatch; two: AppendBatch }> => {
    const log = await open(prefix)
    const one = batchAfter(undefined)
    await log.append(one)
    await log.close()
    const place = { topic: `${prefix}.ledger`, partition: 0 }
    const two = batchAfter(one.head, { count: 3 })
    // The record of the first step, and its marker.
    await leaveOpen(kafka.bootstrap, id, place, recordsOf(place, { batches: [two] }, 2).slice(0, count))
    return { log: await open(prefix), one, two }
  }

  it('is committed where it holds a whole step: that one may have been acknowledged', async () => {
    const { log, one, two } = await begun('whole')
    assert.deepEqual(await log.head('default'), one.head)
    const three = batchAfter(two.head)
    await log.append(three)
    await log.close()
    rmSync(join(dir, 'whole'), { recursive: true })
    const cold = await open('whole')
    assert.deepEqual(await cold.read('default', 0, 9), [...one.entries, ...two.entries, ...three.entries])
    await cold.close()
  })

  it('is taken over with heads that end before it', async () => {
    const { log, two } = await begun('heads')
    const other = batchAfter(undefined, {
      ledger: 'other',
      identityOf: seq => ({ source: 'urn:other', id: String(seq) }),
    })
    await log.append(other)
    await log.close()
    const again = await open('heads')
    await again.append(batchAfter(two.head))
    await again.close()
  })

  it('is aborted where it holds a part of a step', async () => {
    const { log, one, two } = await begun('part', undefined, 2)
    await log.append(two)
    assert.deepEqual(await log.read('default', 0, 9), [...one.entries, ...two.entries])
    await log.close()
  })

  it('of somebody else is left alone, and told of with what to do', async () => {
    const { log, one } = await begun('theirs', 'somebody')
    await assert.rejects(log.append(batchAfter(one.head)), (error: unknown) => {
      assert.ok(error instanceof NotWritten, String(error))
      assert.match(error.message, /theirs\.ledger\/0 .* offset 2 .*kafka-transactions\.sh abort --topic theirs\.ledger/)
      return true
    })
    await log.close()
  })
})
