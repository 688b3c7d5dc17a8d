import { recordSigVerdict } from '../aep/event/signature.ts'
import { hex } from '../base/bytes.ts'
import type { Suite } from '../crypto/suite.ts'
import { decodeEntry, type Entry } from '../ledger/decode.ts'
import type { EmitterTerm } from '../projections/emitters.ts'
import type { Group } from './batch.ts'
import { emitterTrail } from './emitters.ts'
import type { Remark } from './findings.ts'
import { identitiesUpTo } from './identities.ts'
import { compare, emitterRings } from './intake.ts'
import type { BatchJudgement, EntrySource, Mention } from './port.ts'

/** What entries say about each other and about what is kept beside the log, followed in the order of the ledger. */
export interface FollowUp {
  /** What is to be said of a judged group, by entry. Groups must come in order. */
  settle(
    group: Group,
    judgement: BatchJudgement,
    emitters: readonly EmitterTerm[],
  ): Promise<readonly { readonly index: number; readonly remark: Remark }[]>
  /** What is to be said when all is read; `seq` where it is about a place. */
  close(): readonly { readonly seq?: number; readonly remark: Remark }[]
}

export interface FollowUpLimits {
  /** Events among which repeats are looked for. */
  readonly identitiesMax: number
  /** Sources, and holes in their numbering, that are followed. */
  readonly sequencesMax: number
}

export function followUp(suite: Suite, source: EntrySource, limits: FollowUpLimits): FollowUp {
  const { identitiesMax, sequencesMax } = limits
  const identities = identitiesUpTo(identitiesMax)
  const emitters = emitterTrail(sequencesMax)

  return {
    async settle(group, judgement, registered) {
      const told: { index: number; remark: Remark }[] = []
      for (const [index, seq] of group.seqs.entries()) {
        if (group.placed[index] !== true) continue
        const { identities: words, sources, timesMs, sequences } = judgement
        const [high = 0, low = 0] = [words[2 * index], words[2 * index + 1]]
        if (high === 0 && low === 0) continue
        const first = identities.add(high, low, seq)
        if (first !== undefined) {
          const remark = await repeated(source, group, index, first)
          if (remark) told.push({ index, remark })
        }
        const odd = emitters.note(
          sources[index] ?? 0,
          seq,
          timesMs[index] ?? Number.NaN,
          sequences[index] ?? Number.NaN,
        )
        if (odd) told.push({ index, remark: odd })
      }
      for (const mention of judgement.mentions) {
        const { index } = mention
        if (group.placed[index] !== true) continue
        if (mention.kind === 'gap') {
          const { first, last } = mention
          if (first !== undefined && last !== undefined) emitters.declare(judgement.sources[index] ?? 0, first, last)
          told.push({ index, remark: gapDeclared(mention) })
        } else if (mention.kind === 'conflict') {
          told.push({ index, remark: await conflict(source, group.seqs[index] ?? 0, mention) })
        } else {
          const say = (remark: Remark) => told.push({ index, remark })
          await lookUpRecord(suite, source, group, mention, registered, say)
        }
      }
      return told
    },
    close() {
      const told: { seq?: number; remark: Remark }[] = [...emitters.holes()]
      if (!emitters.complete) {
        told.push({ remark: { code: 'sequences-unchecked', cause: 'There were more than can be followed at once.' } })
      }
      if (!identities.complete) {
        const cause = `Only the first ${identitiesMax} events were compared with all later ones.`
        told.push({ remark: { code: 'identities-unchecked', cause } })
      }
      return told
    },
  }
}

/** The entry that stands at `seq`, if it can be read. */
async function entryAt(source: EntrySource, seq: number): Promise<Entry | undefined> {
  for await (const [first] of source.entries(seq)) {
    const decoding = first && decodeEntry(first.bytes)
    return decoding?.ok && decoding.entry.seq === seq ? decoding.entry : undefined
  }
  return undefined
}

/** Settles the suspicion that two events are one: digests may collide, identities are compared. */
async function repeated(source: EntrySource, group: Group, index: number, first: number): Promise<Remark | undefined> {
  const bytes = group.entries[index]?.bytes
  const here = bytes && decodeEntry(bytes)
  const there = await entryAt(source, first)
  if (here?.ok !== true || there === undefined) return undefined
  const { source: from, id } = here.entry.event
  if (there.event.source !== from || there.event.id !== id) return undefined
  const cause = `The event ${id} of ${from} has a place already.`
  return {
    code: 'identity-repeated',
    cause,
    expected: `seq ${first} alone`,
    found: `seq ${first} and ${group.seqs[index]}`,
  }
}

function gapDeclared({ count, first, last }: Extract<Mention, { kind: 'gap' }>): Remark {
  const which = first === undefined ? '' : `, numbers ${first} to ${last ?? 'unknown'}`
  return { code: 'gap-declared', cause: `The emitter gave up ${count} events${which}.` }
}

async function conflict(
  source: EntrySource,
  seq: number,
  { about, firstSeq }: Extract<Mention, { kind: 'conflict' }>,
): Promise<Remark> {
  const there = firstSeq < seq ? await entryAt(source, firstSeq) : undefined
  const found = there === undefined ? 'nothing that came before' : `${there.event.source} ${there.event.id}`
  if (found === about) return { code: 'conflict-recorded', cause: `${about} came again with other content.` }
  const cause = `The entry says that seq ${firstSeq} holds an event that it does not hold.`
  return { code: 'conflict-invalid', cause, expected: about, found }
}

async function lookUpRecord(
  suite: Suite,
  source: EntrySource,
  group: Group,
  { index, digest, length }: Extract<Mention, { kind: 'record' }>,
  registered: readonly EmitterTerm[],
  say: (remark: Remark) => void,
): Promise<void> {
  if (source.record === undefined) {
    return say({ code: 'record-unchecked', cause: 'The source carries no records.', expected: digest })
  }
  const bytes = await source.record(digest, group.seqs[index] ?? 0)
  if (bytes === undefined) {
    return say({ code: 'record-missing', cause: 'The record is not there.', expected: digest })
  }
  const found = hex(suite.sha256(bytes))
  if (found !== digest || bytes.length !== length) {
    const cause = 'The record is not the one that the entry names.'
    return say({
      code: 'record-mismatch',
      cause,
      expected: `${digest}, ${length} bytes`,
      found: `${found}, ${bytes.length} bytes`,
    })
  }
  const entry = decodeEntry(group.entries[index]?.bytes ?? bytes)
  if (!entry.ok) return
  const { event, intake } = entry.entry
  compare(say, 'record_sig', intake.record_sig, emitterRings(registered), keys =>
    recordSigVerdict(event, keys, suite, bytes),
  )
}
