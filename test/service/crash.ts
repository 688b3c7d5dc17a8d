import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { seededRandom } from '../../infra/sample-stream.ts'
import { type Serving, serve } from '../../infra/serve.ts'
import { openEmbeddedReader } from '../../src/log/embedded/open.ts'
import { checkViews } from './crash-views.ts'

/**
 * A history checker for `kill -9`: emitters that keep sending, a service that keeps dying, and a list of everything that
 * was answered. Written apart from the product: it knows HTTP, and the entry's JSON, and computes leaf hashes itself.
 */

export interface CrashPlan {
  readonly rounds: number
  readonly seed: number
  /** With ClickHouse beside it, which takes a second to start: the service then lives longer, to die while rows get in. */
  readonly search: boolean
  /** How long the service lives at most, ms: longer than it takes to answer the first events. */
  readonly aliveMsMax?: number
  /** More of the service's environment. */
  readonly env?: Readonly<Record<string, string>>
}

interface Acknowledged {
  readonly source: string
  readonly id: string
  readonly seq: number
  readonly leafHash: string
}

export interface CrashReport {
  readonly rounds: number
  readonly acknowledged: number
  readonly entries: number
  /** Events that were sent again after an unanswered request and turned out to be there already. */
  readonly answeredLate: number
  /** Everything that is not as promised; empty when all is well. */
  readonly faults: readonly string[]
}

const emitters = 6

/** Kills the service `rounds` times at random moments under load, and checks what is left: the log, and every view of it. */
export async function crashRounds(
  dir: string,
  { rounds, seed, search, aliveMsMax = search ? 5_000 : 420, env = {} }: CrashPlan,
  print: (line: string) => void = () => {},
): Promise<CrashReport> {
  const random = seededRandom(seed)
  const answers: Acknowledged[] = []
  const faults: string[] = []
  const next = new Array<number>(emitters).fill(0)
  let answeredLate = 0
  for (let round = 1; round <= rounds; round++) {
    const serving = await serve(dir, {
      AEP_LEDGER_LOG_LEVEL: 'error',
      ...(!search && { AEP_LEDGER_SEARCH: 'off' }),
      ...env,
    })
    const stop = { now: false }
    const emitting = next.map(async (_, emitter) => {
      while (!stop.now) {
        const from = next[emitter] ?? 0
        const count = 1 + Math.floor(random() * 40)
        const items = await send(serving, emitter, from, count)
        if (items === undefined) return
        answeredLate += items.filter(item => item.status === 'duplicate').length
        for (const [n, item] of items.entries()) {
          if (item.id !== idOf(emitter, from + n)) faults.push(`round ${round}: answers are not in the order sent`)
          answers.push({ source: sourceOf(emitter), id: item.id, seq: item.seq, leafHash: item.leaf_hash })
        }
        next[emitter] = from + count
      }
    })
    const aliveMsMin = search ? 1_000 : 20
    await sleep(aliveMsMin + random() * (aliveMsMax - aliveMsMin))
    await serving.kill()
    stop.now = true
    await Promise.all(emitting)
    if (round % 10 === 0) print(`${round} rounds, ${answers.length} answers`)
  }
  const entries = await checkLog(dir, answers, faults)
  faults.push(...(await checkViews(dir, search, env)))
  return { rounds, acknowledged: answers.length, entries, answeredLate, faults }
}

const sourceOf = (emitter: number): string => `urn:crash:${emitter}`
const idOf = (emitter: number, n: number): string => `${emitter}-${String(n).padStart(9, '0')}`

/** Event `n` of an emitter: the same whenever it is made. */
const eventOf = (emitter: number, n: number): object => ({
  specversion: '1.0',
  id: idOf(emitter, n),
  source: sourceOf(emitter),
  type: n % 3 === 1 ? 'aep.lease.used' : 'aep.decision',
  time: '2026-11-01T00:00:00Z',
  data:
    n % 3 === 1
      ? { lease_id: `l-${emitter}`, decision_event_id: idOf(emitter, n - 1) }
      : { decision: 'allow', run_id: `r-${n >> 4}` },
})

interface Item {
  readonly id: string
  readonly status: string
  readonly seq: number
  readonly leaf_hash: string
}

/** Sends events `from` to `from + count`; `undefined` when the service is gone. */
async function send(serving: Serving, emitter: number, from: number, count: number): Promise<Item[] | undefined> {
  const lines = Array.from({ length: count }, (_, n) => JSON.stringify(eventOf(emitter, from + n)))
  try {
    const response = await fetch(`${serving.url}/v1/ledgers/default/events`, {
      method: 'POST',
      headers: { authorization: `Bearer ${serving.token}`, 'content-type': 'application/x-ndjson' },
      body: lines.join('\n'),
    })
    const answer = (await response.json()) as { items?: Item[] }
    if (response.status !== 201 || answer.items === undefined)
      throw new Error(`${response.status} ${JSON.stringify(answer)}`)
    return answer.items
  } catch (error) {
    if (serving.child.exitCode === null && !serving.child.killed) throw error
    return undefined
  }
}

/** Reads the whole log and holds it against the answers; returns how many entries there are. */
async function checkLog(dir: string, answers: readonly Acknowledged[], faults: string[]): Promise<number> {
  const log = await openEmbeddedReader(dir)
  const at = new Map<string, { seq: number; leafHash: string }>()
  const lastOf = new Map<string, string>()
  let expected = 0
  let prev = '0'.repeat(64)
  try {
    for (;;) {
      const batch = await log.read('default', expected, 5000)
      if (batch.length === 0) break
      for (const { seq, bytes } of batch) {
        if (seq !== expected) faults.push(`seq ${seq} where ${expected} is due`)
        const entry = JSON.parse(new TextDecoder().decode(bytes)) as {
          seq: number
          prev: string
          event: { source: string; id: string }
        }
        if (entry.seq !== expected || entry.prev !== prev)
          faults.push(`entry ${expected} does not follow the one before`)
        const { source, id } = entry.event
        const leafHash = createHash('sha256').update(Uint8Array.of(0)).update(bytes).digest('hex')
        const identity = `${source} ${id}`
        if (at.has(identity)) faults.push(`${identity} is there twice`)
        at.set(identity, { seq, leafHash })
        if (source.startsWith('urn:crash:')) {
          if ((lastOf.get(source) ?? '') >= id) faults.push(`${identity} is out of its emitter's order`)
          lastOf.set(source, id)
        }
        prev = leafHash
        expected += 1
      }
    }
  } finally {
    await log.close()
  }
  for (const { source, id, seq, leafHash } of answers) {
    const found = at.get(`${source} ${id}`)
    if (found === undefined) faults.push(`${source} ${id} was acknowledged and is lost`)
    else if (found.seq !== seq || found.leafHash !== leafHash)
      faults.push(`${source} ${id} is not where its receipt says`)
  }
  return expected
}
