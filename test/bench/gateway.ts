import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { sampleStream } from '../../infra/sample-stream.ts'
import type { LoadPlan, LoadResult } from './load.ts'

/** The load that benchmarks of ingest make, in a thread of its own. */
export const runLoad = (plan: LoadPlan): Promise<LoadResult> =>
  new Promise((resolve, reject) => {
    const worker = new Worker(fileURLToPath(new URL('load.ts', import.meta.url)), { workerData: plan })
    worker.once('message', resolve)
    worker.once('error', reject)
  })

/** Bodies of `size` events each, NDJSON, every event of its own identity; `lane` keeps runs apart. */
export function bodies(lane: number, count: number, size: number): string[] {
  const events = sampleStream({
    seed: lane,
    events: count * size,
    startMs: Date.parse('2026-11-01T00:00:00Z'),
    source: `urn:bench:${lane}`,
  })
  return Array.from({ length: count }, () =>
    Array.from({ length: size }, () => JSON.stringify(events.next().value)).join('\n'),
  )
}

export function must(result: LoadResult): LoadResult {
  if (result.failures.length > 0 || result.answered === 0)
    throw new Error(`the load failed: ${result.failures[0] ?? 'no answer'}`)
  return result
}

export const ndjson = 'application/x-ndjson'
export const single = 'application/cloudevents+json'
