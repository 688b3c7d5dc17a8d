import type { Suite } from '../crypto/suite.ts'
import type { Entry } from '../ledger/decode.ts'
import { type EntryFrame, leafHashOf, type Seq } from '../ledger/entry.ts'
import { signingInput } from '../ledger/signature.ts'
import { type EmitterHistory, type EmitterTerm, evolveEmitters, noEmitters } from '../projections/emitters.ts'
import { addTo, type Group, isFull, newGroup, pack } from './batch.ts'
import { link, newWalk, type Walk } from './chain.ts'
import { axes, type Finding, finding, type Remark } from './findings.ts'
import { type FollowUp, followUp } from './follow-up.ts'
import { readFrame } from './frame.ts'
import { ledgerVoice } from './intake.ts'
import { openEntry } from './judge.ts'
import { type KeyChoice, type LedgerKeys, ledgerKeys } from './keys.ts'
import { type Pins, pinsOf } from './pins.ts'
import type { BatchJudgement, EntrySource, Judge, SourceEntry, Trust } from './port.ts'
import { type LedgerReport, type Policy, reportOf, type Tally, tallyUpTo } from './report.ts'

export interface VerifyOptions {
  readonly suite: Suite
  /** Where entries are read whole and signatures checked: `judgeHere`, or other threads. */
  readonly judge: Judge
  readonly policy?: Policy
  /** Findings of one code that are told; the rest are counted. Default 1,000. */
  readonly findingsMax?: number
  /** Events among which repeats are looked for, at 16 to 32 bytes each. Default 50 million. */
  readonly identitiesMax?: number
  /** Emitters, and holes in their numbering, that are followed, at some 300 bytes each. Default 65,536. */
  readonly sequencesMax?: number
  /** Told now and then how many entries were read. */
  readonly onProgress?: (entries: number) => void
  /** Told how many entries from the first on are judged, each time after all that there is to say of them was taken. */
  readonly onJudged?: (entries: number) => void
}

/**
 * Verifies a ledger from its first entry to its last: yields everything there is to say, in the order of places, and
 * returns what it comes to. It never stops at a fault. What the source throws passes through: no verdict is made of it.
 *
 * This thread links the chain, some 5 µs an entry; all that concerns one entry alone goes to the judge. Memory does not
 * grow with the ledger but for the table of identities.
 */
export async function* verifyLedger(
  source: EntrySource,
  trust: Trust,
  options: VerifyOptions,
): AsyncGenerator<Finding, LedgerReport, void> {
  const run = newRun(source, trust, options)
  const pending: Submitted[] = []
  for await (const batch of source.entries(0)) {
    for (const entry of batch) {
      take(run, entry)
      if (!run.cut && !isFull(run.group)) continue
      pending.push(submit(run))
      while (pending.length >= options.judge.inFlightMax) yield* settled(run, pending.shift())
    }
    options.onProgress?.(run.entries)
  }
  if (run.group.entries.length > 0) pending.push(submit(run))
  for (const submitted of pending) yield* settled(run, submitted)
  yield* close(run)
  return report(run)
}

interface Run {
  readonly source: EntrySource
  readonly trust: Trust
  readonly options: VerifyOptions
  readonly walk: Walk
  readonly keys: LedgerKeys
  readonly pins: Pins
  readonly followUp: FollowUp
  readonly tally: Tally
  group: Group
  /** Whether the group has to end here, because what follows is judged with other keys. */
  cut: boolean
  /** As the entries before the group leave it. */
  emitters: EmitterHistory
  /** As the group leaves it; it can differ only where the group ends. */
  nextEmitters: EmitterHistory
  entries: number
  entriesJudged: number
  signaturesChecked: number
}

interface Submitted {
  readonly group: Group
  readonly emitters: readonly EmitterTerm[]
  readonly judgement: Promise<BatchJudgement>
}

function newRun(source: EntrySource, trust: Trust, options: VerifyOptions): Run {
  const { suite, identitiesMax = 50_000_000, sequencesMax = 65_536, findingsMax = 1000 } = options
  const vouchedTo = Math.max(trust.head?.seq ?? -1, (trust.checkpoint?.size ?? 0) - 1)
  return {
    source,
    trust,
    options,
    walk: newWalk(),
    keys: ledgerKeys(suite, trust.keys, vouchedTo),
    pins: pinsOf(suite, trust, source),
    followUp: followUp(suite, source, { identitiesMax, sequencesMax }),
    tally: tallyUpTo(findingsMax),
    group: newGroup(),
    cut: false,
    emitters: noEmitters,
    nextEmitters: noEmitters,
    entries: 0,
    entriesJudged: 0,
    signaturesChecked: 0,
  }
}

/** Links an entry behind those before it and puts it into the group. */
function take(run: Run, entry: SourceEntry): void {
  const { suite } = run.options
  run.entries++
  const leafHash = leafHashOf(suite, entry.bytes)
  const frame = entry.problem === undefined ? readFrame(entry.bytes) : undefined
  const { seq, placed, remarks, gap } = link(run.walk, run.source.ledger, entry, frame, leafHash)
  const index = run.group.entries.length
  const say = (remark: Remark, at = seq) => run.group.remarks.push({ index, seq: at, remark })
  if (gap) say(gap.remark, gap.seq)
  for (const remark of remarks) say(remark)
  if (entry.problem !== undefined) say({ code: 'envelope-malformed', cause: `${entry.problem}.` })
  const own = placed && frame !== undefined && (frame.intake.by === ledgerVoice || seq === 0)
  const opened = own ? openEntry(entry.bytes, () => undefined) : undefined
  if (opened && seq === 0) run.keys.takeNamed(opened)
  const { key, remark } = choose(run, entry, frame, seq)
  // An entry that stands again was judged under its key where it stood first.
  if (remark && placed) say(remark)
  if (placed) for (const pinned of run.pins.check(seq, leafHash, frame?.recorded_at)) say(pinned)
  if (opened) {
    const holds =
      key === undefined ? run.trust.keys.length === 0 : suite.verify(key, signingInput(entry.bytes), entry.signature)
    if (holds && remark === undefined) believe(run, opened, seq, say)
    run.cut = true
  }
  addTo(run.group, entry, seq, placed, key)
}

function choose(run: Run, entry: SourceEntry, frame: EntryFrame | undefined, seq: number): KeyChoice {
  if (frame === undefined) return {}
  if (entry.signature.length !== 64) {
    const found = `${entry.signature.length} bytes`
    return {
      remark: {
        code: 'signature-invalid',
        cause: 'There is no signature of the right length.',
        expected: '64 bytes',
        found,
      },
    }
  }
  return run.keys.choose(frame, seq)
}

/** Takes an entry of the ledger's own, signed as it should be, at its word. */
function believe(run: Run, entry: Entry, seq: number, say: (remark: Remark) => void): void {
  for (const remark of run.keys.fold(entry, seq)) say(remark)
  run.nextEmitters = evolveEmitters(run.nextEmitters, { event: entry.event, seq: seq as Seq })
}

/** Hands the group to the judge, with the emitters that were registered before it, and begins the next. */
function submit(run: Run): Submitted {
  const { group, options } = run
  const emitters = run.emitters.terms
  const judgement = options.judge.judge(pack(group, emitters))
  // A failure is met when its turn comes to be awaited; until then it must not count as unhandled.
  judgement.catch(() => undefined)
  run.group = newGroup()
  run.emitters = run.nextEmitters
  run.cut = false
  return { group, emitters, judgement }
}

async function* settled(run: Run, submitted: Submitted | undefined): AsyncGenerator<Finding, void, void> {
  if (submitted === undefined) return
  yield* await settle(run, submitted)
  run.entriesJudged += submitted.group.entries.length
  run.options.onJudged?.(run.entriesJudged)
}

/** The findings of a judged group, in the order of its entries, then of the axes. */
async function settle(run: Run, submitted: Submitted): Promise<readonly Finding[]> {
  const { group, emitters } = submitted
  const judgement = await submitted.judgement
  for (const checked of judgement.checked) run.signaturesChecked += checked
  const followed = await run.followUp.settle(group, judgement, emitters)
  if (group.remarks.length + judgement.remarks.length + followed.length === 0) return []
  const { ledger } = run.source
  const readable = judgement.remarks.filter(({ index }) => group.entries[index]?.problem === undefined)
  const all = [
    ...group.remarks.map(({ index, seq, remark }) => ({ index, told: finding(ledger, seq, remark) })),
    ...readable.map(({ index, ...remark }) => ({ index, told: finding(ledger, group.seqs[index], remark) })),
    ...followed.map(({ index, remark }) => ({ index, told: finding(ledger, group.seqs[index], remark) })),
  ]
  all.sort((a, b) => a.index - b.index || axes.indexOf(a.told.axis) - axes.indexOf(b.told.axis))
  return all.map(({ told }) => told).filter(told => run.tally.take(told))
}

/** What is left to say when all is read. */
function close(run: Run): readonly Finding[] {
  const { ledger } = run.source
  const remarks: { readonly seq?: number; readonly remark: Remark }[] = [
    ...run.pins.missing(run.walk.next),
    ...(run.source.headFault ? [run.source.headFault] : []),
    ...run.followUp.close(),
  ]
  if (run.trust.keys.length === 0 && run.entries > 0) {
    remarks.push({ remark: { code: 'keys-missing', cause: 'Nobody said which key this ledger is to be signed with.' } })
  }
  return remarks.map(({ seq, remark }) => finding(ledger, seq, remark)).filter(told => run.tally.take(told))
}

function report(run: Run): LedgerReport {
  const { walk, trust, tally } = run
  const { head, checkpoint, receipts = [] } = trust
  const pinned = [
    head && 'the pinned head',
    checkpoint && 'the checkpoint',
    receipts.length > 0 && `${receipts.length} receipts`,
  ]
  return reportOf(
    {
      ledger: run.source.ledger,
      entries: run.entries,
      signaturesChecked: run.signaturesChecked,
      headPinned: head !== undefined || checkpoint !== undefined,
      pinned: pinned.filter(name => typeof name === 'string'),
      head: walk.next > 0 ? { seq: walk.next - 1, leafHash: walk.leafHash, recordedAt: walk.recordedAt } : undefined,
      firstBadSeq: tally.firstBadSeq,
      counts: tally.counts,
      withheld: tally.withheld,
    },
    run.options.policy ?? {},
  )
}
