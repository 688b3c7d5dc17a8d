import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { openEmbedded } from '../../src/log/embedded/open.ts'
import { LogInUse, LogUnreadable } from '../../src/log/port.ts'
import { batchAfter } from './batches.ts'
import { newFolder } from './folders.ts'
import { Child, done, failed, opened } from './processes.ts'

describe('the writer’s lock', () => {
  it('keeps a second process out and names the first', async () => {
    const folder = newFolder()
    const log = await openEmbedded(folder)
    const second = new Child(folder, { batches: 1 })
    const refusal = await second.hears(failed)
    assert.equal(refusal.failed, 'LogInUse')
    assert.match(refusal.message, new RegExp(`process ${process.pid}\\b`))
    assert.equal(await second.ended, 0)
    await log.append(batchAfter(undefined))
    await log.close()
  })
  it('keeps out a second opener in the same process, and is not lost by its attempt', async () => {
    const folder = newFolder()
    const log = await openEmbedded(folder)
    await assert.rejects(openEmbedded(folder), (error: unknown) => {
      assert.ok(error instanceof LogInUse)
      assert.equal(error.holder, `process ${process.pid}`)
      return true
    })
    const second = new Child(folder, { batches: 1 })
    assert.equal((await second.hears(failed)).failed, 'LogInUse')
    await log.close()
    const third = new Child(folder, { batches: 1, end: true })
    assert.equal(await third.hears(done), 0)
  })
  it('ends with a process that is killed, at once', async () => {
    const folder = newFolder()
    for (let round = 0; round < 3; round++) {
      const child = new Child(folder, { batches: 2 })
      await child.hears(done)
      await child.kill()
      const log = await openEmbedded(folder)
      assert.equal((await log.head('default'))?.seq, 2 * round + 1)
      await log.close()
    }
  })
  it('goes to one of many that start at once', async () => {
    const folder = newFolder()
    const children = Array.from({ length: 6 }, () => new Child(folder, { batches: 1 }))
    const outcomes = await Promise.all(children.map(child => child.hears(said => opened(said) ?? failed(said)?.failed)))
    const winners = outcomes.filter(outcome => outcome !== 'LogInUse')
    assert.equal(winners.length, 1, outcomes.join())
    await Promise.all(children.map(child => child.kill()))
  })
  it('is not fooled by what stands in its files', async () => {
    const folder = newFolder()
    const log = await openEmbedded(folder)
    writeFileSync(join(folder, 'log/writer.pid'), '1\n')
    const second = new Child(folder, { batches: 1 })
    assert.equal((await second.hears(failed)).failed, 'LogInUse')
    await log.close()
    assert.equal(readFileSync(join(folder, 'log/writer.pid'), 'utf8'), '1\n')
    writeFileSync(join(folder, 'log/writer.lock'), 'x'.repeat(5000))
    await assert.rejects(openEmbedded(folder), LogUnreadable)
  })
})
