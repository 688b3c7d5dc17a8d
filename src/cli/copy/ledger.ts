import { nodeSuite } from '../../crypto/node.ts'
import { readEntry } from '../../ledger/decode.ts'
import { type Head, leafHashOf, type Seq, type StoredEntry } from '../../ledger/entry.ts'
import { namedRecord, recordMark } from '../../ledger/kept-record.ts'
import { emptyHead } from '../../ledger/seal.ts'
import type { LedgerLog } from '../../log/port.ts'
import type { Finding } from '../../verify/findings.ts'
import { readFrame } from '../../verify/frame.ts'
import type { Judge, SourceEntry, Trust } from '../../verify/port.ts'
import type { LedgerReport, Verdict } from '../../verify/report.ts'
import { verifyLedger } from '../../verify/verify.ts'
import { CliError, exitCodes } from '../exit.ts'
import type { OpenSource } from '../source/open.ts'

export interface CopyOptions {
  readonly trust: Trust
  readonly judge: Judge
  /** Stops before an entry that could not be judged wholly, as before one that does not hold. */
  readonly requireVerified: boolean
  readonly cancelled: AbortSignal
  readonly onProgress: (entries: number) => void
}

export interface LedgerCopy {
  readonly ledger: string
  /** What the verification of the source came to, as far as it went. */
  readonly verdict: Verdict
  /** Why it was not copied any further. */
  readonly stopped?: Finding
  /** Entries that the target had before. */
  readonly already: number
  readonly copied: number
  /** Records kept beside the log that came along. */
  readonly records: number
  /** Where the ledger in the target ends; seq -1 where it is not there. */
  readonly head: Head
}

/** Of one append: as a busy sequencer's. */
const batchEntriesMax = 1_000
const batchBytesMax = 4 << 20

/**
 * Copies a ledger into `target`, from where its ledger ends, and verifies the source from its first entry on meanwhile: an
 * entry is written once it and all before it were judged and nothing fails. At the first that fails it stops; what was
 * written before stands. Records go before the entries that name them. Memory: what is being judged, and a batch.
 */
export async function copyLedger(source: OpenSource, target: LedgerLog, options: CopyOptions): Promise<LedgerCopy> {
  const { trust, judge, requireVerified, cancelled, onProgress } = options
  const begun = (await target.head(source.ledger)) ?? emptyHead
  const writer = writerOf(source, target, begun)
  let isFirstReading = true
  const passing: OpenSource = {
    ...source,
    entries(from) {
      // Later readings settle doubts of the verifier's.
      if (!isFirstReading) return source.entries(from)
      isFirstReading = false
      return through(source.entries(from), writer, cancelled)
    },
  }
  const onJudged = (entries: number): void => writer.allow(entries)
  let stopped: Finding | undefined
  let verdict: Verdict = 'incomplete'
  const run = verifyLedger(passing, trust, { suite: nodeSuite, judge, onProgress, onJudged })
  for await (const finding of findingsOf(run, report => (verdict = report.verdict))) {
    const { severity, seq } = finding
    if (severity === 'warn' || (severity === 'incomplete' && !requireVerified)) continue
    stopped ??= finding
    if (seq === undefined) continue
    // All before it were judged with it or earlier, for findings come in the order of places.
    writer.endAt(seq)
    break
  }
  await writer.finish()
  if (stopped !== undefined) verdict = stopped.severity === 'fail' ? 'tampered' : 'incomplete'
  const { head, copied, records } = writer.state()
  return {
    ledger: source.ledger,
    verdict,
    ...(stopped && { stopped }),
    already: begun.seq + 1,
    copied,
    records,
    head,
  }
}

/** The findings of a verification, and its report to `onReport` where it comes to one. */
async function* findingsOf(
  run: AsyncGenerator<Finding, LedgerReport, void>,
  onReport: (report: LedgerReport) => void,
): AsyncGenerator<Finding> {
  onReport(yield* run)
}

async function* through(
  batches: AsyncIterable<readonly SourceEntry[]>,
  writer: Writer,
  cancelled: AbortSignal,
): AsyncGenerator<readonly SourceEntry[]> {
  for await (const batch of batches) {
    cancelled.throwIfAborted()
    writer.hold(batch)
    yield batch
    await writer.write()
  }
}

/** Holds entries until they are judged, and appends them to the target in batches. */
interface Writer {
  hold(entries: readonly SourceEntry[]): void
  /** The first `entries` of the source may be written. */
  allow(entries: number): void
  /** All before `seq` may be written, and nothing from there on. */
  endAt(seq: number): void
  /** Writes full batches of what may be. */
  write(): Promise<void>
  /** Writes all that may be. */
  finish(): Promise<void>
  state(): { readonly head: Head; readonly copied: number; readonly records: number }
}

function writerOf(source: OpenSource, target: LedgerLog, begun: Head): Writer {
  const { ledger } = source
  let held: SourceEntry[] = []
  /** Place of the first that is held: as long as nothing fails, entries stand where they are counted. */
  let at = 0
  let allowed = 0
  let end = source.headFault?.seq ?? Number.POSITIVE_INFINITY
  let head = begun
  let records = 0

  /** The next batch that may be written, in the order of the ledger; entries that the target has are passed over. */
  const nextBatch = (): StoredEntry[] => {
    const there = Math.min(held.length, Math.max(0, begun.seq + 1 - at), Math.max(0, Math.min(allowed, end) - at))
    drop(there)
    const ready = Math.min(held.length, Math.max(0, Math.min(allowed, end) - at))
    const batch: StoredEntry[] = []
    let bytesSum = 0
    for (const { bytes, signature } of held.slice(0, Math.min(ready, batchEntriesMax))) {
      bytesSum += bytes.length
      if (batch.length > 0 && bytesSum > batchBytesMax) break
      batch.push({ seq: (at + batch.length) as Seq, bytes, signature })
    }
    return batch
  }
  const drop = (count: number): void => {
    held = held.slice(count)
    at += count
  }
  const isFull = (batch: readonly StoredEntry[]): boolean =>
    batch.length === batchEntriesMax ||
    batch.reduce((sum, { bytes }) => sum + bytes.length, 0) > batchBytesMax - (64 << 10)
  const append = async (batch: readonly StoredEntry[]): Promise<void> => {
    for (const { bytes, seq } of batch) records += await keepRecord(source, target, bytes, seq)
    head = await appendTo(target, ledger, batch, head)
    drop(batch.length)
  }
  return {
    hold(entries) {
      for (const entry of entries) held.push(entry)
    },
    allow: entries => {
      allowed = entries
    },
    endAt: seq => {
      end = Math.min(end, seq)
      allowed = Math.max(allowed, end)
    },
    async write() {
      for (let batch = nextBatch(); isFull(batch); batch = nextBatch()) await append(batch)
    },
    async finish() {
      for (let batch = nextBatch(); batch.length > 0; batch = nextBatch()) await append(batch)
    },
    state: () => ({ head, copied: head.seq - begun.seq, records }),
  }
}

/** Appends entries that were verified; returns the head after them. */
async function appendTo(
  target: LedgerLog,
  ledger: string,
  entries: readonly StoredEntry[],
  after: Head,
): Promise<Head> {
  const last = entries.at(-1)
  if (last === undefined) return after
  const ids = entries.map(({ bytes }) => {
    const { source, id } = readEntry(bytes).event
    return { source, id }
  })
  const leafHash = leafHashOf(nodeSuite, last.bytes)
  const head = { seq: last.seq, leafHash, recordedAt: readFrame(last.bytes)?.recorded_at ?? '' }
  await target.append({ ledger, entries, ids, after, head })
  return head
}

/** Keeps the record that an entry names in the target, with the mark of its ledger; returns how many that were. */
async function keepRecord(source: OpenSource, target: LedgerLog, bytes: Uint8Array, seq: number): Promise<number> {
  const digest = namedRecord(bytes)
  if (digest === undefined) return 0
  const record = await source.record?.(digest, seq)
  if (record === undefined || nodeSuite.sha256Hex(record) !== digest) {
    throw new CliError(
      exitCodes.invalid,
      `The record ${digest} of seq ${seq} is not what it was a moment ago.`,
      'Somebody changes the source. aep-ledger verify tells more.',
    )
  }
  await target.putRecord(digest, record)
  const { key, value } = recordMark(nodeSuite, source.ledger, digest)
  await target.putRecord(key, value)
  return 1
}
