import { Fault } from '../../base/fault.ts'
import type { Suite } from '../../crypto/suite.ts'
import type { Head, StoredEntry } from '../../ledger/entry.ts'
import { emptyHead, seal } from '../../ledger/seal.ts'
import type { TakenEvent } from '../../log/intake.ts'
import type { IntakeJob } from '../../log/kafka/intake-record.ts'
import type { PlacedBatch, Step } from '../../log/kafka/records.ts'
import { identityText, type LogReader } from '../../log/port.ts'
import type { Signer } from '../signer.ts'

/** A job, and the offset of the intake record that held it. */
export interface PlacedJob {
  readonly offset: number
  readonly job: IntakeJob
}

export interface StepOptions {
  readonly log: Pick<LogReader, 'find'>
  readonly suite: Suite
  readonly headOf: (ledger: string) => Head | undefined
  /** The signer of a ledger's next entry; of the first one, the key that the event itself names. Throws a `Fault`. */
  readonly signerOf: (ledger: string, first: TakenEvent) => Signer
}

/** What jobs become: a step to write, what of them was no ledger's to take, and what has to wait. */
export interface MadeStep extends Pick<Step, 'batches'> {
  /** Jobs for a ledger that there is not. */
  readonly nowhere: readonly PlacedJob[]
  /** Ledgers whose key is not at hand. Nothing of them is in the batches. */
  readonly stuck: ReadonlyMap<string, Held>
}

/** A ledger that can't be written: where its jobs begin, with which event, and why. */
export interface Held {
  readonly offset: number
  readonly first: TakenEvent
  readonly fault: Fault
}

interface Fresh {
  readonly events: TakenEvent[]
  readonly origins: number[]
}

/**
 * Gives the events of jobs their places: drops those whose identity has one, seals and signs the others, ledger by ledger. A
 * function of the jobs and of the ledgers before them: made again from the same, the bytes and signatures are the same.
 */
export async function makeStep(options: StepOptions, jobs: readonly PlacedJob[]): Promise<MadeStep> {
  const { headOf } = options
  const byLedger = new Map<string, PlacedJob[]>()
  const nowhere: PlacedJob[] = []
  for (const placed of jobs) {
    const { ledger, isOwn } = placed.job
    const others = byLedger.get(ledger)
    if (others !== undefined) others.push(placed)
    else if (headOf(ledger) !== undefined || isOwn) byLedger.set(ledger, [placed])
    else nowhere.push(placed)
  }
  const stuck = new Map<string, Held>()
  const made = await Promise.all(
    [...byLedger].map(async ([ledger, own]) => {
      try {
        return await batchOf(options, ledger, await freshOf(options, ledger, own))
      } catch (error) {
        const [placed] = own
        const [first] = placed?.job.events ?? []
        if (!(error instanceof Fault) || placed === undefined || first === undefined) throw error
        stuck.set(ledger, { offset: placed.offset, first, fault: error })
        return undefined
      }
    }),
  )
  return { batches: made.filter(batch => batch !== undefined), nowhere, stuck }
}

/** Events whose identity has no place yet, each once, with the offsets that they came from. */
async function freshOf({ log, headOf }: StepOptions, ledger: string, jobs: readonly PlacedJob[]): Promise<Fresh> {
  const all = jobs.flatMap(({ job }) => job.events)
  const found = headOf(ledger) === undefined ? [] : await log.find(ledger, all)
  const seen = new Set<string>()
  const fresh: Fresh = { events: [], origins: [] }
  let n = 0
  for (const { offset, job } of jobs) {
    for (const event of job.events) {
      if (found[n++] !== undefined) continue
      const identity = identityText(event)
      if (seen.has(identity)) continue
      seen.add(identity)
      fresh.events.push(event)
      fresh.origins.push(offset)
    }
  }
  return fresh
}

async function batchOf(
  { suite, headOf, signerOf }: StepOptions,
  ledger: string,
  { events, origins }: Fresh,
): Promise<PlacedBatch | undefined> {
  const [first, ...others] = events
  if (first === undefined) return undefined
  const after = headOf(ledger) ?? emptyHead
  const signer = signerOf(ledger, first)
  const { entries: sealed, head } = seal(suite, after, { ledger, keyId: signer.keyId }, [first, ...others])
  const signatures = await signer.sign(sealed.map(({ bytes }) => bytes))
  const entries = sealed.map(({ seq, bytes }, n): StoredEntry => {
    const signature = signatures[n]
    if (signature === undefined) throw new Error(`no signature for seq ${seq}`)
    return { seq, bytes, signature }
  })
  return { ledger, entries, ids: events, origins, after, head }
}
