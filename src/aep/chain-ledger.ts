import { z } from 'zod'
import { hex } from '../base/bytes.ts'
import type { Suite } from '../crypto/suite.ts'
import {
  type Anchor,
  addRecord,
  type ChainOptions,
  type ChainVerdict,
  judgeRow,
  newRow,
  type Row,
  refuseAt,
  rowVerdict,
} from './chain.ts'
import { type CompactedEntry, judgeCompaction } from './compaction.ts'
import { isObject, type Json } from './json.ts'
import type { KeyRing } from './keyring.ts'
import { absorb, name, newTally, refuse, verdictOf } from './record/classes.ts'
import { canonicalBytes } from './record/content.ts'
import { judgeParsed, readText, recordLimits } from './record/judge.ts'

/** One entry of the reference's own ledger, which chains whole records, signatures included, under no signature. */
export const referenceLedgerEntrySchema = z.object({
  seq: z.number(),
  prevHash: z.string(),
  record: z.record(z.string(), z.unknown()),
  hash: z.string(),
})

export interface ReferenceLedgerOptions extends ChainOptions {
  /** The result of compacting a range of the ledger, to be checked against that range. */
  readonly compaction?: Json
}

/**
 * The verdict on a ledger as the reference's `Ledger.append` makes it, one JSON text an entry: its numbering from 0, each
 * `hash` over the reference form of `{seq, prevHash, record}`, each `prevHash` (the first is empty), each record, and the
 * chain that the records form among themselves, which alone tells when somebody numbers and hashes a ledger anew.
 */
export function judgeReferenceLedger(
  texts: Iterable<string | Uint8Array>,
  keys: KeyRing,
  suite: Suite,
  options: ReferenceLedgerOptions = {},
): ChainVerdict {
  const row = newRow()
  const entries: CompactedEntry[] = []
  let before: CompactedEntry | undefined = genesis
  for (const text of texts) {
    const index = row.links.length
    const entry = readEntry(row, index, text, options)
    addRecord(row, entry ? judgeParsed(entry.record, keys, suite, options) : verdictOf(newTally()))
    if (entry) judgeEntry(row, index, entry, before, suite)
    if (entry) entries.push(entry)
    before = entry
  }
  judgeRow(row, anchorOf(options.anchor ?? {}, entries))
  if (options.compaction !== undefined) judgeCompaction(options.compaction, entries, suite, row.tally)
  return rowVerdict(row)
}

/** An anchor's head may be noted as the hash of the entry or of its record; the row knows the latter. */
function anchorOf(anchor: Anchor, entries: readonly CompactedEntry[]): Anchor {
  const { headHash, ...rest } = anchor
  return entries.some(({ hash }) => hash === headHash) ? rest : anchor
}

const entryLimits = { ...recordLimits, depthMax: recordLimits.depthMax + 1 }

function readEntry(
  row: Row,
  index: number,
  text: string | Uint8Array,
  { limits }: ChainOptions,
): CompactedEntry | undefined {
  const tally = newTally()
  const value = readText(text, { ...entryLimits, ...limits }, tally)
  const parsed = value === undefined ? undefined : referenceLedgerEntrySchema.safeParse(value)
  for (const { path, message } of parsed?.error?.issues ?? []) {
    refuse(tally, isObject(value) ? 'schema' : 'not-object', path.map(step => `/${String(step)}`).join(''), message)
  }
  if (isObject(value)) {
    for (const member of Object.keys(value)) {
      if (Object.hasOwn(referenceLedgerEntrySchema.shape, member)) continue
      name(tally, 'unsigned-member', `/${member}`, 'no hash covers this member')
    }
  }
  absorb(row.tally, verdictOf(tally), `/${index}`)
  if (tally.reasons.size > 0) row.firstBadIndex = Math.min(row.firstBadIndex, index)
  if (!parsed?.success || !isObject(value)) return undefined
  const { seq, prevHash, hash } = parsed.data
  return { seq, prevHash, hash, record: value['record'] ?? null }
}

/** What stands before the first entry. */
const genesis: CompactedEntry = { seq: -1, prevHash: '', record: null, hash: '' }

function judgeEntry(
  row: Row,
  index: number,
  entry: CompactedEntry,
  before: CompactedEntry | undefined,
  suite: Suite,
): void {
  const { seq, prevHash, record, hash } = entry
  // After an entry that cannot be read, nobody knows what should be said here.
  if (before && seq !== before.seq + 1) {
    refuseAt(row, index, 'ledger-seq', `it says ${seq}, its place is ${before.seq + 1}`)
  }
  if (before && prevHash !== before.hash) {
    refuseAt(row, index, 'ledger-link', `it names "${prevHash}", the entry before it is "${before.hash}"`)
  }
  const computed = hex(suite.sha256(canonicalBytes({ seq, prevHash, record })))
  if (hash !== computed) refuseAt(row, index, 'ledger-hash', `it says ${hash}, the entry is ${computed}`)
}
