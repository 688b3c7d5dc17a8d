import { writeSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Head } from '../../src/ledger/entry.ts'
import { openEmbedded, openEmbeddedReader } from '../../src/log/embedded/open.ts'
import { LogInUse, LogUnreadable, NotWritten, WriteUnknown } from '../../src/log/port.ts'
import { batchAfter } from './batches.ts'

/**
 * A process of its own for the tests: `child.ts DIR JSON`. It says what it does in lines of JSON on standard output,
 * each written before it goes on.
 */
export interface ChildTask {
  /** Opens for reading, reads something, and stays until it is killed. */
  readonly read?: boolean
  /** Takes this user's rights first. */
  readonly uid?: number
  readonly spareBytes?: number
  /** Batches to append, or for ever; then it stays until it is killed. */
  readonly batches?: number
  /** Entries of a batch: between 1 and this. */
  readonly countMax?: number
  readonly size?: number
  /** After a failed append it waits, and tries again this often. */
  readonly retries?: number
  readonly record?: boolean
  /** Before all else it appends one batch to each of so many ledgers, at once. */
  readonly atOnce?: number
  readonly views?: boolean
  /** Ends when it is done, instead of staying. */
  readonly end?: boolean
}

export type Said =
  | { readonly opened: string }
  | { readonly head: Head }
  | { readonly recorded: string }
  | { readonly failed: string; readonly reason?: string; readonly message: string; readonly headNow?: number }
  | { readonly done: number }

const say = (said: Said): void => {
  writeSync(1, `${JSON.stringify(said)}\n`)
}

const [dir = '', json = '{}'] = process.argv.slice(2)
const task: ChildTask = JSON.parse(json)

async function main(): Promise<void> {
  if (task.uid !== undefined) {
    process.setgid?.(task.uid)
    process.setuid?.(task.uid)
  }
  if (task.read) return read()
  const { spareBytes } = task
  const log = await openEmbedded(dir, spareBytes === undefined ? {} : { spareBytes })
  let head = await log.head('default')
  say({ opened: `process ${process.pid}` })
  if (task.atOnce !== undefined) {
    const ledgers = Array.from({ length: task.atOnce }, (_, n) => `at-once/${n}`)
    await Promise.all(ledgers.map(ledger => log.append(batchAfter(undefined, { ledger, count: 5 }))))
    say({ recorded: 'at once' })
  }
  let failures = 0
  for (let batch = 0; batch < (task.batches ?? Number.POSITIVE_INFINITY); ) {
    const count = 1 + Math.floor(Math.random() * (task.countMax ?? 1))
    const next = batchAfter(head, { count, size: task.size ?? 200 })
    try {
      await log.append(next)
      head = next.head
      batch += 1
      say({ head })
      if (task.views) await log.views.commit('seqs', 'default', head.seq, rowsOf(next.after.seq, head.seq))
    } catch (error) {
      await sayFailed(error, async () => (await log.head('default'))?.seq ?? -1)
      failures += 1
      if (failures > (task.retries ?? 0)) break
      await sleep(50)
      head = await log.head('default').catch(() => head)
    }
  }
  if (task.record) {
    await log.putRecord('ab'.repeat(32), Buffer.alloc(100_000, 'record'))
    say({ recorded: 'ab'.repeat(32) })
  }
  if (task.end) await log.close()
  say({ done: head?.seq ?? -1 })
}

const rowsOf = (after: number, last: number): { key: string; value: Uint8Array }[] =>
  Array.from({ length: last - after }, (_, n) => ({ key: `seq-${after + 1 + n}`, value: Buffer.from(String(n)) }))

async function read(): Promise<void> {
  const log = await openEmbeddedReader(dir)
  say({ opened: `process ${process.pid}` })
  for (;;) {
    say({ done: (await log.head('default'))?.seq ?? -1 })
    // One turn of the loop after another, so that it is killed while it holds a snapshot, at times.
    for (let n = 0; n < 1000; n++) await log.read('default', 0, 10)
    if (task.end) return log.close()
  }
}

async function sayFailed(error: unknown, seqNow: () => Promise<number>): Promise<void> {
  const message = error instanceof Error ? error.message : String(error)
  const failed = error instanceof Error ? error.name : 'unknown'
  const headNow = await seqNow().catch(() => undefined)
  const known = headNow === undefined ? {} : { headNow }
  if (error instanceof NotWritten) say({ failed, reason: error.reason, message, ...known })
  else say({ failed, message, ...known })
}

try {
  await main()
  if (!task.end) setInterval(() => {}, 1000)
} catch (error) {
  const ours = [NotWritten, WriteUnknown, LogInUse, LogUnreadable].some(kind => error instanceof kind)
  if (!ours) throw error
  await sayFailed(error, async () => Number.NaN)
}
