import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { openEmbedded } from '../../src/log/embedded/open.ts'
import { forgetDeadReaders } from '../../src/service/dead-readers.ts'
import { newFolder } from '../log/folders.ts'
import { Child, opened } from '../log/processes.ts'

describe('readers of the log that were killed', () => {
  it('are forgotten within a minute by a service that runs', async t => {
    const folder = newFolder()
    const log = await openEmbedded(folder)
    const reader = new Child(folder, { read: true })
    await reader.hears(opened)
    await new Promise(resolve => setTimeout(resolve, 50))
    t.mock.timers.enable({ apis: ['setInterval'] })
    const counts: number[] = []
    const stop = forgetDeadReaders(log, { info: ({ count }: { count: number }) => counts.push(count) } as never)
    t.mock.timers.tick(60_000)
    assert.deepEqual(counts, [], 'it is alive')
    await reader.kill()
    t.mock.timers.tick(60_000)
    assert.equal(counts.length, 1)
    await stop()
    assert.equal(log.clearReaders(), 0)
    await log.close()
  })
})
