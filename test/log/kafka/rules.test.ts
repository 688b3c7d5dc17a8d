import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, describe } from 'node:test'
import { noKafka } from '../../infra/engines.ts'
import { type Bench, startBench } from './rules/bench.ts'
import { describeReading } from './rules/reading.ts'
import { describeSending } from './rules/sending.ts'
import { describeTakingOver } from './rules/taking-over.ts'

describe('the rules for kafkajs', { skip: noKafka }, () => {
  const dir = mkdtempSync(join(tmpdir(), 'aep-kafka-rules-'))
  let made: Bench
  const bench = (): Bench => made
  before(async () => {
    made = await startBench(dir)
  })
  afterEach(() => made.tidy())
  after(async () => {
    await made.close()
    rmSync(dir, { recursive: true, force: true })
  })

  describeSending(bench)
  describeReading(bench)
  describeTakingOver(bench, dir)
})
