import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { Commits } from '../../src/log/embedded/commits.ts'
import { openEnvironment } from '../../src/log/embedded/environment.ts'
import { Log } from '../../src/log/embedded/log.ts'
import { openEmbedded } from '../../src/log/embedded/open.ts'
import { Room } from '../../src/log/embedded/room.ts'
import { openViews } from '../../src/log/embedded/views.ts'
import { NotWritten } from '../../src/log/port.ts'
import { batchAfter } from './batches.ts'
import { newFolder } from './folders.ts'
import { Child, opened } from './processes.ts'

const limits = { bytesMax: 2 ** 30, spareBytes: 0 }

/** The log in `dir`, opened for writing without asking anybody. */
async function openPastTheLock(dir: string): Promise<Log> {
  const file = join(dir, 'log/data.mdb')
  const room = new Room(file, 'The log', limits)
  const open = () => openEnvironment(join(dir, 'log'), room.mapBytes(), false)
  const views = await openViews(newFolder(), limits)
  return new Log({ commits: new Commits({ what: 'The log', open, file, room }), views, lock: { release: () => {} } })
}

/** How often they may race until LMDB itself has decided one: most are decided before. */
const racesMax = 50_000

describe('two writers that no lock kept apart', () => {
  it('never take the same place: LMDB makes an append only where the head is still what it follows', async () => {
    const dir = newFolder()
    const first = await openEmbedded(dir)
    await first.append(batchAfter(undefined))
    await first.close()
    const other = new Child(dir, { countMax: 3, retries: 1_000_000 })
    await other.hears(opened)
    const log = await openPastTheLock(dir)
    const mine = new Set<string>()
    let seenInside = 0
    for (let n = 0; n < 400 || mine.size < 20 || (seenInside === 0 && n < racesMax); n++) {
      const head = await log.head('default')
      const batch = batchAfter(head, { count: 2, identityOf: seq => ({ source: 'urn:mine', id: `${n}-${seq}` }) })
      try {
        await log.append(batch)
        for (const { id } of batch.ids) mine.add(id)
      } catch (error) {
        assert.ok(error instanceof NotWritten && error.reason === 'head-moved', String(error))
        if (/another writer/.test(error.message)) seenInside += 1
      }
    }
    await other.kill()
    const ids = [...mine].map(id => ({ source: 'urn:mine', id }))
    const found = await log.find('default', ids)
    assert.ok(!found.includes(undefined), 'what was answered is there')
    assert.equal(new Set(found).size, ids.length)
    const entries = await log.read('default', 0, 1e6, Number.POSITIVE_INFINITY)
    assert.deepEqual(
      entries.map(({ seq }) => seq),
      [...entries.keys()],
    )
    assert.equal((await log.head('default'))?.seq, entries.length - 1)
    const theirs = other.said.flatMap(said => ('head' in said ? [said.head.seq] : []))
    assert.ok(theirs.length > 0 && Math.max(...theirs) < entries.length)
    assert.ok(seenInside > 0, 'none of the races was decided by LMDB')
    await log.close()
  })
})
