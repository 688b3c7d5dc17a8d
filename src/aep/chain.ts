import type { Suite } from '../crypto/suite.ts'
import type { KeyRing } from './keyring.ts'
import {
  absorb,
  name,
  newTally,
  type ReasonClass,
  refuse,
  type Tally,
  type Verdict,
  verdictOf,
} from './record/classes.ts'
import { type JudgeOptions, judgeRecord, type RecordVerdict } from './record/judge.ts'
import type { AepRecord } from './record/schema.ts'

/** What a verifier knew of a chain before it saw it. */
export interface Anchor {
  readonly count?: number
  /** Chain hashes of the first and the last of those `count` records, 64 hex digits. */
  readonly firstHash?: string
  readonly headHash?: string
}

export interface ChainOptions extends JudgeOptions {
  readonly anchor?: Anchor
}

export interface ChainVerdict extends Verdict {
  /** The first record that is refused or does not fit; the number of records where what should come after is missing. */
  readonly firstBadIndex?: number
  readonly count: number
  /** Chain hash of the last record, where it has one. */
  readonly headHash?: string
}

/**
 * The verdict on records in a row, each naming the hash of the one before in `prev_record_hash`: every record on its own,
 * every link, and, against an anchor, both ends. A chain longer than its anchor is one that has grown.
 *
 * Without an anchor a missing tail goes unnoticed, and a missing head is named `chain-segment`. Records of which none names
 * a predecessor are a bag, `chain-unlinked`.
 */
export function judgeChain(
  lines: Iterable<string | Uint8Array>,
  keys: KeyRing,
  suite: Suite,
  options: ChainOptions = {},
): ChainVerdict {
  const row = newRow()
  for (const line of lines) addRecord(row, judgeRecord(line, keys, suite, options))
  judgeRow(row, options.anchor ?? {})
  return rowVerdict(row)
}

/** Records in a row, as far as they have been taken in. Memory: three hashes a record, and a key for each action. */
export interface Row {
  readonly tally: Tally
  readonly links: Link[]
  /** Actions that earlier records hold, by run, id and time. */
  readonly actions: Set<string>
  firstBadIndex: number
}

/** What the judgement of a row needs of a record. */
interface Link {
  /** `prev_record_hash`; absent where it is null or not there. */
  readonly prev: string | undefined
  /** Chain hash as the record stands; absent where the text is no object. */
  readonly hash: string | undefined
  /** The same without a timestamp proof that was attached after signing. */
  readonly hashWithoutProof: string | undefined
  readonly createdAtMs: number | undefined
  readonly refused: boolean
}

export const newRow = (): Row => ({
  tally: newTally(),
  links: [],
  actions: new Set(),
  firstBadIndex: Number.POSITIVE_INFINITY,
})

/** Puts the next record's verdict into the row. */
export function addRecord(row: Row, verdict: RecordVerdict): void {
  const index = row.links.length
  absorb(row.tally, verdict, `/${index}`)
  const refused = verdict.reasons.length > 0
  if (refused) row.firstBadIndex = Math.min(row.firstBadIndex, index)
  row.links.push({
    prev: verdict.prevRecordHash,
    hash: verdict.chainHash,
    // A proof that the signature covers has always been there.
    hashWithoutProof: verdict.findings.includes('timestamp-proof-detached') ? verdict.chainHashWithoutProof : undefined,
    createdAtMs: verdict.record?.created_at_ms,
    refused,
  })
  if (verdict.record) nameRepeated(row, verdict.record, index)
}

/** Says that something is wrong at one record of the row. */
export function refuseAt(row: Row, index: number, reason: ReasonClass, detail: string): void {
  refuse(row.tally, reason, `/${index}`, detail)
  row.firstBadIndex = Math.min(row.firstBadIndex, index)
}

export function rowVerdict({ tally, links, firstBadIndex }: Row): ChainVerdict {
  const headHash = links.at(-1)?.hash
  return {
    ...verdictOf(tally),
    ...(Number.isFinite(firstBadIndex) ? { firstBadIndex } : {}),
    count: links.length,
    ...(headHash === undefined ? {} : { headHash }),
  }
}

/** The emitter keeps its actions from one record to the next, so that whoever counts them counts them again. */
function nameRepeated(row: Row, record: AepRecord, index: number): void {
  const here = record.actions.map(({ action_id, timestamp_ms }) =>
    JSON.stringify([record.run_id, action_id, timestamp_ms]),
  )
  if (here.some(action => row.actions.has(action))) {
    name(row.tally, 'actions-repeated', `/${index}/actions`, 'an earlier record holds one of these actions')
  }
  for (const action of here) row.actions.add(action)
}

/** Judges the links of a whole row, and its ends. */
export function judgeRow(row: Row, anchor: Anchor): void {
  const { links, tally } = row
  if (links.length === 0) {
    if ((anchor.count ?? 0) > 0) refuseAt(row, 0, 'chain-truncated', `${anchor.count} records should be here`)
    else name(tally, 'empty', '', 'there is no record')
    return
  }
  const isBag = links.length > 1 && links.every(({ prev, hash }) => prev === undefined && hash !== undefined)
  if (isBag) name(tally, 'chain-unlinked', '', 'no record names one before it: a bag of records, not a chain')
  const known = hashesOf(links)
  const named = new Set(links.map(({ prev }) => prev))
  const isNamed = ({ hash, hashWithoutProof }: Link) => named.has(hash) || named.has(hashWithoutProof ?? hash)
  const contents = new Set<string | undefined>()
  const predecessors = new Set<string | undefined>()
  for (const [index, link] of links.entries()) {
    const content = link.hashWithoutProof ?? link.hash
    const isDuplicate = content !== undefined && contents.has(content)
    if (isDuplicate) refuseAt(row, index, 'chain-duplicate', 'the same record came earlier')
    if (index > 0 && !isBag && !judgeLink(row, index) && !isDuplicate) {
      if (link.prev !== undefined && predecessors.has(link.prev)) {
        refuseAt(row, index, 'chain-fork', 'an earlier record names the same predecessor')
      } else if (!known.has(link.prev ?? '') && !isNamed(link) && isBypassed(links, index)) {
        refuseAt(row, index, 'chain-foreign', 'no link goes to or from the record, and the chain goes on around it')
      }
    }
    contents.add(content)
    predecessors.add(link.prev)
  }
  judgeStart(row, anchor, known)
  judgeEnd(row, anchor)
}

const hashesOf = (links: readonly Link[]): ReadonlySet<string> =>
  new Set(
    links.flatMap(({ hash, hashWithoutProof }) => [hash ?? '', hashWithoutProof ?? '']).filter(hash => hash !== ''),
  )

/** Whether a record links to the one before it, as far as that can be told. */
function judgeLink(row: Row, index: number): boolean {
  const [before, link] = [row.links[index - 1], row.links[index]]
  // A text that is no object has no links; it is refused for what it is.
  if (before?.hash === undefined || link?.hash === undefined) return true
  if (link.createdAtMs !== undefined && before.createdAtMs !== undefined && link.createdAtMs < before.createdAtMs) {
    name(row.tally, 'time-regression', `/${index}/created_at_ms`, 'the record is older than the one before it')
  }
  if (link.prev === before.hash) return true
  if (link.prev === undefined) {
    refuseAt(row, index, 'chain-link-missing', 'the record names none before it')
    return false
  }
  if (link.prev === before.hashWithoutProof) {
    name(row.tally, 'timestamp-proof-outside-link', `/${index}`, 'the link was made before the timestamp proof came')
    return true
  }
  refuseAt(row, index, 'chain-link-mismatch', `it names ${link.prev}; the record before it is ${before.hash}`)
  return false
}

/** Whether the record after `index` names the one before it. */
function isBypassed(links: readonly Link[], index: number): boolean {
  const [before, after] = [links[index - 1], links[index + 1]]
  if (before?.hash === undefined || after?.prev === undefined) return false
  return after.prev === before.hash || after.prev === before.hashWithoutProof
}

function judgeStart(row: Row, { count, firstHash }: Anchor, known: ReadonlySet<string>): void {
  const first = row.links[0]
  if (!first) return
  const isAnchored = firstHash !== undefined && (firstHash === first.hash || firstHash === first.hashWithoutProof)
  if (isAnchored) return
  if (first.prev === undefined) {
    if (firstHash === undefined || first.refused) return
    refuseAt(row, 0, 'chain-head-hash-mismatch', `the first record should be ${firstHash}`)
  } else if (known.has(first.prev)) {
    refuseAt(row, 0, 'chain-link-mismatch', 'the first record names one that comes after it')
  } else if (firstHash !== undefined || (count !== undefined && row.links.length < count)) {
    refuseAt(row, 0, 'chain-head-missing', 'records before the first one are missing')
  } else {
    name(row.tally, 'chain-segment', '/0', 'the first record names one before it, which is not here')
  }
}

function judgeEnd(row: Row, { count, headHash }: Anchor): void {
  const { links, tally } = row
  const isHead = (link: Link) => link.hash === headHash || link.hashWithoutProof === headHash
  const head = headHash === undefined ? undefined : links.find(isHead)
  if (headHash !== undefined && head === undefined) {
    if (count === undefined || links.length < count) {
      refuseAt(row, links.length, 'chain-truncated', `the chain should go on to ${headHash}`)
    } else {
      refuseAt(row, count - 1, 'chain-head-hash-mismatch', `record ${count - 1} should be ${headHash}`)
    }
    return
  }
  if (head && head.hash !== headHash) {
    name(tally, 'timestamp-proof-outside-link', '', 'the head was noted before the timestamp proof was attached')
  }
  if (count !== undefined && links.length < count && tally.reasons.size === 0) {
    refuseAt(row, links.length, 'chain-truncated', `${count} records should be here`)
  }
}
