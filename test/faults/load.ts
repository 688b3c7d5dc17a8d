import { setTimeout as sleep } from 'node:timers/promises'
import type { Serving } from '../../infra/serve.ts'
import { type Answer, emitterPrefix } from './history.ts'

/** Sends events to a door and gives the answers back. */

interface Item {
  readonly id: string
  readonly source: string
  readonly status: string
  readonly seq: number
  readonly leaf_hash: string
}

/** Far longer than a door keeps a request waiting (`AEP_LEDGER_INGEST_WAIT_MS` of the world), on a machine that is busy. */
const requestMsMax = 25_000

/** A door did to a request, begun at `sinceMs`, what it never should while it runs. */
export type OnRude = (door: Serving, sinceMs: number, what: string) => void

/** What became of a request: answers, or not known; a refusal that sending again won't mend throws. */
export async function send(
  door: Serving,
  ledger: string,
  events: readonly object[],
  onRude: OnRude,
): Promise<readonly Answer[] | undefined> {
  const { url, token } = door
  const sinceMs = performance.now()
  let status: number
  let text: string
  try {
    const response = await fetch(`${url}/v1/ledgers/${encodeURIComponent(ledger)}/events`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/x-ndjson' },
      body: events.map(event => JSON.stringify(event)).join('\n'),
      signal: AbortSignal.timeout(requestMsMax),
    })
    status = response.status
    text = await response.text()
    if (status === 503 && !(Number(response.headers.get('retry-after')) >= 1)) {
      onRude(door, sinceMs, `503 without Retry-After: ${text.slice(0, 500)}`)
    }
  } catch (error) {
    const isLate = error instanceof DOMException && error.name === 'TimeoutError'
    onRude(door, sinceMs, isLate ? `no answer in ${requestMsMax} ms` : `a request was cut off: ${causeOf(error)}`)
    return undefined
  }
  if (status === 503) return undefined
  if (status !== 201) throw new Error(`${ledger}: ${status} ${text.slice(0, 500)}`)
  const { items } = JSON.parse(text) as { readonly items: readonly Item[] }
  return items.map(({ id, source, status, seq, leaf_hash }) => ({
    ledger,
    id,
    source,
    status,
    seq,
    leafHash: leaf_hash,
  }))
}

const causeOf = (error: unknown): string => String(error instanceof Error ? (error.cause ?? error) : error)

export interface EmitterOptions {
  readonly number: number
  readonly ledgers: readonly string[]
  readonly random: () => number
  /** Doors that are up. */
  readonly doors: () => readonly Serving[]
  readonly onAnswer: (answer: Answer) => void
  readonly onRude: OnRude
  readonly report: (fault: string) => void
}

/** How long a batch is sent again before it counts as never answered. */
const batchMsMax = 180_000

/** Sends batches, one after the other, each again and again, unchanged, until it is answered. */
export class Emitter {
  readonly #options: EmitterOptions
  readonly #running: Promise<void>
  #isStopping = false

  constructor(options: EmitterOptions) {
    this.#options = options
    this.#running = this.#run().catch(error => options.report(`emitter ${options.number}: ${error}`))
  }

  /** Resolves when the batch under way was answered. */
  async stop(): Promise<void> {
    this.#isStopping = true
    await this.#running
  }

  async #run(): Promise<void> {
    const { number, ledgers, random, onAnswer, report } = this.#options
    for (let next = 0; !this.#isStopping; ) {
      const count = 1 + Math.floor(random() * 40)
      const ledger = pick(ledgers, random)
      const events = Array.from({ length: count }, (_, n) => eventOf(number, next + n))
      const answers = await this.#untilAnswered(ledger, events)
      if (answers === undefined) return report(`emitter ${number}: a batch was not answered in ${batchMsMax / 1000} s`)
      if (answers.some(({ id }, n) => Number(id) !== next + n) || answers.length !== count)
        report(`emitter ${number}: answers are not in the order sent`)
      for (const answer of answers) onAnswer(answer)
      next += count
      await sleep(100 + random() * 400)
    }
  }

  async #untilAnswered(ledger: string, events: readonly object[]): Promise<readonly Answer[] | undefined> {
    const { random, doors, onRude } = this.#options
    for (const untilMs = performance.now() + batchMsMax; performance.now() < untilMs; await sleep(200)) {
      const open = doors()
      if (open.length === 0) continue
      const answers = await send(pick(open, random), ledger, events, onRude)
      if (answers !== undefined) return answers
    }
    return undefined
  }
}

export const pick = <T>(from: readonly T[], random: () => number): T => {
  const found = from[Math.floor(random() * from.length)]
  if (found === undefined) throw new RangeError('there is nothing to choose from')
  return found
}

/** Event `n` of an emitter, the same whenever it is made: a lease, and what is done under it. */
function eventOf(emitter: number, n: number): object {
  const lease = `l-${emitter}-${n - (n % 8)}`
  const frame = {
    specversion: '1.0',
    id: String(n),
    source: `${emitterPrefix}${emitter}`,
    time: '2026-11-01T00:00:00Z',
  }
  if (n % 8 === 0) {
    const data = {
      lease_id: lease,
      principal_hash: 'ab'.repeat(32),
      server_id: 'srv-files',
      granted_tools: ['write_file'],
      expires_at: '2027-11-01T00:00:00Z',
      state_changing: true,
      max_invocations: 3,
      session_id: `s-${emitter}`,
    }
    return { ...frame, type: 'aep.lease.granted', data }
  }
  if (n % 2 === 0)
    return { ...frame, type: 'aep.lease.used', data: { lease_id: lease, decision_event_id: String(n - 1) } }
  return { ...frame, type: 'aep.decision', data: { decision: 'allow', run_id: `r-${n >> 4}` } }
}

let probes = 0

/** An event of which there is no other. */
export function probeEvent(): object {
  return {
    ...{ specversion: '1.0', id: `p-${++probes}`, source: 'urn:faults:probe', type: 'aep.decision' },
    ...{ time: '2026-11-01T00:00:00Z', data: { decision: 'deny' } },
  }
}

const probeEveryMs = 250
const probesMax = 40

/**
 * Sends new events to a ledger, one after the other begun, through any of `doors`, until one that was begun here is answered
 * `created`; how long that took, or `undefined` when it took too long.
 */
export async function untilTaken(
  ledger: string,
  doors: () => readonly Serving[],
  { random, onAnswer, onRude, report }: Pick<EmitterOptions, 'random' | 'onAnswer' | 'onRude' | 'report'>,
  msMax: number,
): Promise<number | undefined> {
  const since = performance.now()
  let takenMs: number | undefined
  let under = 0
  while (takenMs === undefined && performance.now() - since < msMax) {
    const open = doors()
    if (open.length > 0 && under < probesMax) {
      under += 1
      send(pick(open, random), ledger, [probeEvent()], onRude)
        .then(answers => {
          for (const answer of answers ?? []) {
            onAnswer(answer)
            takenMs ??= performance.now() - since
          }
        })
        .catch(error => report(`a probe: ${error}`))
        .finally(() => {
          under -= 1
        })
    }
    await sleep(probeEveryMs)
  }
  return takenMs
}
