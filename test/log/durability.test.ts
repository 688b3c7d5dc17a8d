import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { openEmbedded } from '../../src/log/embedded/open.ts'
import { newFolder } from './folders.ts'
import { Child, missing } from './processes.ts'
import { callsOf, unsyncedAnswers } from './trace.ts'

const calls = 'trace=openat,write,writev,pwrite64,pwritev,fsync,fdatasync,msync'
const file = '/log/data.mdb'
const answer = /{\\"(head|recorded)\\"/

describe('what the log answers for', () => {
  it('is on disk before it answers: single entries, batches, records', {
    skip: missing('strace', 'true'),
  }, async () => {
    const folder = newFolder()
    const traceFile = join(folder, 'trace')
    const task = { batches: 12, countMax: 40, size: 900, record: true, end: true }
    const child = new Child(folder, task, ['strace', '-f', '-y', '-s', '100', '-o', traceFile, '-e', calls])
    assert.equal(await child.ended, 0, child.errors)
    assert.equal(child.said.filter(said => 'head' in said).length, 12)
    const trace = readFileSync(traceFile, 'utf8')
    assert.deepEqual(unsyncedAnswers(trace, file, answer), [])
    assert.match(trace, /write\(1<.*\\"recorded\\"/)
  })
  it('costs one sync a batch, and one for the batches of many ledgers at once', {
    skip: missing('strace', 'true'),
  }, async () => {
    const folder = newFolder()
    await (await openEmbedded(folder)).close()
    const traceFile = join(folder, 'trace')
    const around = ['strace', '-f', '-y', '-o', traceFile, '-e', 'trace=fdatasync,fsync,openat,write']
    const child = new Child(folder, { atOnce: 8, batches: 10, countMax: 40, end: true }, around)
    assert.equal(await child.ended, 0, child.errors)
    const syncs = callsOf(readFileSync(traceFile, 'utf8')).filter(
      ({ name, path, begun }) => name === 'fdatasync' && path.endsWith(file) && !begun,
    )
    assert.equal(syncs.length, 11)
  })
})

describe('the trace check', () => {
  const data = `3<${file}>`
  const lines = [
    `7 openat(AT_FDCWD</>, "/x/log/data.mdb", O_WRONLY|O_DSYNC|O_CLOEXEC) = 4<${file}>`,
    `8 pwrite64(${data}, "page"..., 4096, 8192) = 4096`,
    `8 writev(${data}, [{iov_base="page"..., iov_len=4096}], 1) = 4096`,
    `8 fdatasync(${data}) = 0`,
    `8 pwrite64(4<${file}>, "meta"..., 128, 40) = 128`,
    '7 write(1</out>, "{\\"head\\":1}", 10) = 10',
  ]
  const complaints = (...order: number[]): string[] =>
    unsyncedAnswers(order.map(n => lines[n]).join('\n'), file, answer)

  it('believes pages, sync, meta page, answer', () => assert.deepEqual(complaints(0, 1, 2, 3, 4, 5), []))
  it('does not believe a missing or early sync', () => {
    for (const order of [
      [0, 1, 2, 4, 5],
      [0, 1, 3, 2, 4, 5],
      [0, 1, 2, 3, 5, 4],
      [0, 1, 2, 3, 5],
      [1, 2, 3, 4, 5],
      [0, 1, 2, 3, 4, 5, 5],
      [0, 1, 2, 3, 4],
    ]) {
      assert.equal(complaints(...order).length, 1, String(order))
    }
  })
  it('counts a sync where it ended, and not when it failed', () => {
    const cut = [
      ...lines.slice(0, 3),
      `8 fdatasync(${data} <unfinished ...>`,
      `9 read(11<x>, "", 1) = 0`,
      '8 <... fdatasync resumed>) = 0',
      ...lines.slice(4),
    ]
    assert.deepEqual(unsyncedAnswers(cut.join('\n'), file, answer), [])
    const late = [...cut.slice(0, 4), ...lines.slice(4), '8 <... fdatasync resumed>) = 0']
    assert.equal(unsyncedAnswers(late.join('\n'), file, answer).length, 1)
    const refused = lines.map(line => line.replace(`fdatasync(${data}) = 0`, `fdatasync(${data}) = -1 EIO`))
    assert.equal(unsyncedAnswers(refused.join('\n'), file, answer).length, 1)
  })
})
