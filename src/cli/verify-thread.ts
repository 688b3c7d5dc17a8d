import { parentPort } from 'node:worker_threads'
import { nodeSuite } from '../crypto/node.ts'
import { judgeBatch } from '../verify/judge.ts'
import type { BatchJudgement, EntryBatch } from '../verify/port.ts'

/** What travels between the pool and its threads. */
export interface Question {
  readonly id: number
  readonly batch: EntryBatch
}

export type Answer =
  | { readonly id: number; readonly judgement: BatchJudgement }
  | { readonly id: number; readonly error: string }

/** Answers the pool's questions, one after the other. */
export function answer(): void {
  parentPort?.on('message', ({ id, batch }: Question) => {
    try {
      const judgement = judgeBatch(nodeSuite, batch)
      const { checked, identities, sources, timesMs, sequences } = judgement
      const arrays = [checked, identities, sources, timesMs, sequences]
      parentPort?.postMessage(
        { id, judgement } satisfies Answer,
        arrays.map(({ buffer }) => buffer as ArrayBuffer),
      )
    } catch (error) {
      parentPort?.postMessage({ id, error: String(error instanceof Error ? error.stack : error) } satisfies Answer)
    }
  })
}
