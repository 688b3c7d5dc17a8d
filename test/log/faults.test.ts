import assert from 'node:assert/strict'
import { cpSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, describe, it } from 'node:test'
import { openEmbedded } from '../../src/log/embedded/open.ts'
import { batchAfter } from './batches.ts'
import type { Said } from './child.ts'
import { newFolder } from './folders.ts'
import { Child, missing } from './processes.ts'
import { synchronous } from './trace.ts'

/**
 * Disks that fail: `strace` makes a system call of the child's return an error. Its calls are counted by thread, and the
 * child has one thread that writes, so `when` counts the calls of the log's commits.
 */
const noStrace = missing('strace', '-f', '-o', '/dev/null', '-e', 'inject=fsync:error=EIO:when=9', 'true')
const model = newFolder()
const task = { batches: 3, retries: 3, size: 900, end: true }

before(async () => {
  const log = await openEmbedded(model)
  await log.append(batchAfter(undefined))
  await log.close()
})

interface Outcome {
  readonly child: Child
  /** Lines of the trace where a call was made to fail. */
  readonly injected: readonly string[]
  /** Whether a call that failed was to write the meta page. */
  readonly atMeta: boolean
}

async function withFault(...faults: string[]): Promise<Outcome> {
  const folder = newFolder()
  cpSync(model, folder, { recursive: true })
  const traceFile = join(folder, 'trace')
  const around = ['strace', '-f', '-y', '-o', traceFile, '-P', join(folder, 'log/data.mdb')]
  for (const fault of faults) around.push('-e', `inject=${fault}`)
  const child = new Child(folder, task, around, { UV_THREADPOOL_SIZE: '1' })
  await child.ended
  await checkAgainst(folder, child.said)
  const trace = readFileSync(traceFile, 'utf8')
  const injected = trace.split('\n').filter(line => line.includes('(INJECTED)'))
  const meta = synchronous(trace, 'log/data.mdb')
  const atMeta = injected.some(line => meta.has(/\w+\((\d+)</.exec(line)?.[1] ?? ''))
  return { child, injected, atMeta }
}

/** Whatever became of the child: what it was answered is there, in order, and at most one batch that it was not. */
async function checkAgainst(folder: string, said: readonly Said[]): Promise<void> {
  const seqs = said.flatMap(one => ('head' in one ? [one.head.seq] : []))
  assert.deepEqual(
    seqs,
    seqs.map((_, n) => n + 1),
  )
  const log = await openEmbedded(folder)
  const entries = await log.read('default', 0, 100)
  assert.deepEqual(
    entries,
    batchAfter(undefined, { count: entries.length, size: 900 }).entries.map((entry, n) =>
      n === 0 ? entries[0] : entry,
    ),
  )
  const unanswered = entries.length - 1 - seqs.length
  assert.ok(unanswered === 0 || (unanswered === 1 && !said.some(one => 'done' in one)), `${unanswered} unanswered`)
  await log.close()
}

const failures = (child: Child): Extract<Said, { failed: string }>[] =>
  child.said.flatMap(said => ('failed' in said ? [said] : []))

describe('a log whose disk fails', { skip: noStrace }, () => {
  it('at a sync: the batch is not written, and the next one is', async () => {
    const { child, injected } = await withFault('fdatasync:error=EIO:when=2')
    assert.equal(injected.length, 1)
    const [refusal, ...more] = failures(child)
    assert.deepEqual([refusal?.failed, refusal?.reason, refusal?.headNow, more.length], ['NotWritten', 'failed', 1, 0])
    assert.equal(child.said.filter(said => 'head' in said).length, 3)
  })
  it('at any write: the answer is right, the meta page’s too, and writing goes on', async () => {
    let atMeta = 0
    for (let when = 1; ; when++) {
      const { child, injected, ...outcome } = await withFault(`pwrite64:error=EIO:when=${when}`)
      if (injected.length === 0) break
      // lmdb 3.5.6 may write its error message past the end of its buffer, and then the process is ended.
      if (child.process.signalCode !== null || !child.said.some(said => 'done' in said)) continue
      const [refusal, ...more] = failures(child)
      assert.deepEqual([refusal?.failed, refusal?.reason, more.length], ['NotWritten', 'failed', 0])
      assert.equal(child.said.filter(said => 'head' in said).length, 3)
      if (outcome.atMeta) atMeta += 1
    }
    assert.ok(atMeta > 0, 'no write of a meta page was among them')
  })
  it('for good, at a meta page: nobody knows, and it says so', async () => {
    const meta = await findMetaWrite()
    const { child } = await withFault(`pwrite64:error=EIO:when=${meta}`, 'openat:error=EIO:when=5+')
    const [refusal, ...more] = failures(child)
    assert.equal(refusal?.failed, 'WriteUnknown', JSON.stringify(refusal))
    assert.equal(refusal?.headNow, undefined, 'the head is not told either')
    assert.ok(more.length > 0)
    for (const later of more) assert.deepEqual([later.failed, later.reason], ['NotWritten', 'failed'])
  })
  it('at a meta page, and once more when it is opened again: known as soon as it opens', async () => {
    const meta = await findMetaWrite()
    const { child } = await withFault(`pwrite64:error=EIO:when=${meta}`, 'fsync:error=EIO:when=1')
    const [refusal, ...more] = failures(child)
    assert.deepEqual([refusal?.failed, typeof refusal?.headNow, more.length], ['WriteUnknown', 'number', 0])
    assert.equal(child.said.filter(said => 'head' in said).length, 3)
  })
})

let metaWrite: Promise<number> | undefined

/** Which write of the child's is the first of a meta page. */
function findMetaWrite(): Promise<number> {
  metaWrite ??= lookForMetaWrite()
  return metaWrite
}

async function lookForMetaWrite(): Promise<number> {
  for (let when = 1; when < 12; when++) {
    const { atMeta } = await withFault(`pwrite64:error=EIO:when=${when}`)
    if (atMeta) return when
  }
  throw new Error('no write of a meta page found')
}
