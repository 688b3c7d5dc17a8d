import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import { nodeSuite } from '../crypto/node.ts'
import { judgeBatch } from '../verify/judge.ts'
import type { BatchJudgement, Judge } from '../verify/port.ts'
import type { Answer, Question } from './verify-thread.ts'

/** A judge on threads of its own, which have to be ended. */
export interface JudgePool extends Judge {
  close(): Promise<void>
}

interface Waiting {
  readonly thread: Thread
  resolve(judgement: BatchJudgement): void
  reject(error: unknown): void
}

interface Thread {
  readonly worker: Worker
  queued: number
}

/** Entries that are judged on the calling thread first: a small ledger is done before a thread has begun. */
const hereEntriesMax = 512

/** What a batch leaves behind is garbage at once: a young generation larger than a batch only holds it longer. */
const resourceLimits = { maxYoungGenerationSizeMb: 4 }

/**
 * Judges on a thread for each core. A batch goes to the thread with the least to do, and its bytes move there without being
 * copied. Each thread has at most three batches of up to 1 MiB, so that none waits and memory stays bounded. A thread that
 * fails fails the batches it had, and with them the verification: no verdict is made of what was not judged.
 */
export function judgeOnAllCores(threads = availableParallelism()): JudgePool {
  const waiting = new Map<number, Waiting>()
  let pool: readonly Thread[] = []
  let entries = 0
  let last = 0

  const fail = (thread: Thread, error: unknown) => {
    for (const [id, job] of waiting) {
      if (job.thread !== thread) continue
      waiting.delete(id)
      job.reject(error)
    }
  }

  const start = (): Thread => {
    const worker = new Worker(new URL(`./verify-worker${import.meta.url.slice(-3)}`, import.meta.url), {
      resourceLimits,
    })
    const thread = { worker, queued: 0 }
    worker.on('message', (answer: Answer) => {
      const job = waiting.get(answer.id)
      waiting.delete(answer.id)
      thread.queued--
      if ('judgement' in answer) job?.resolve(answer.judgement)
      else job?.reject(new Error(`A verifier thread failed: ${answer.error}`))
    })
    worker.on('error', error => fail(thread, error))
    worker.on('exit', code => fail(thread, new Error(`A verifier thread ended (${code}).`)))
    return thread
  }

  return {
    inFlightMax: 3 * threads,
    judge(batch) {
      entries += batch.ends.length
      if (entries <= hereEntriesMax) return Promise.resolve(judgeBatch(nodeSuite, batch))
      if (pool.length === 0) pool = Array.from({ length: threads }, start)
      return new Promise((resolve, reject) => {
        const thread = pool.reduce((least, other) => (other.queued < least.queued ? other : least))
        const id = ++last
        waiting.set(id, { thread, resolve, reject })
        thread.queued++
        const { inputs, starts, ends, signatures, keyOf } = batch
        const moved = [inputs, starts, ends, signatures, keyOf].map(({ buffer }) => buffer)
        thread.worker.postMessage({ id, batch } satisfies Question, moved as ArrayBuffer[])
      })
    },
    async close() {
      await Promise.all(pool.map(({ worker }) => worker.terminate()))
    },
  }
}
