import { fromHex, hex } from '../base/bytes.ts'
import type { Suite } from '../crypto/suite.ts'
import type { Remark } from './findings.ts'
import { newFrontier } from './frontier.ts'
import type { EntrySource, Trust } from './port.ts'

/** Places of a ledger that are known beforehand, held against what stands there. */
export interface Pins {
  /** What the entry placed at `seq`, the next of the walk, says about what is known of that place. */
  check(seq: number, leafHash: string, recordedAt?: string): readonly Remark[]
  /** What was never come to, the ledger ending before `end`: each at the first place that is missing. */
  missing(end: number): readonly { readonly seq: number; readonly remark: Remark }[]
}

interface Pin {
  readonly leafHash: string
  readonly recordedAt?: string
  readonly mismatch: Remark['code']
  readonly missing: Remark['code']
  readonly about: string
}

const nothing: readonly Remark[] = []

/** Memory: the receipts; time: a lookup an entry, and with a checkpoint one SHA-256 more. */
export function pinsOf(suite: Suite, trust: Trust, source: EntrySource): Pins {
  const pins = new Map<number, Pin[]>()
  const pin = (seq: number, it: Pin) => pins.set(seq, [...(pins.get(seq) ?? []), it])
  const { head, checkpoint, receipts = [] } = trust
  if (head) {
    pin(head.seq, {
      leafHash: head.leafHash,
      mismatch: 'head-mismatch',
      missing: 'head-missing',
      about: 'the pinned head',
    })
  }
  for (const { seq, leafHash, about = `a receipt for seq ${seq}` } of receipts) {
    pin(seq, { leafHash, mismatch: 'receipt-mismatch', missing: 'receipt-missing', about })
  }
  if (source.head) {
    const { seq, ...head } = source.head
    // A head that names no place is never come to.
    const place = Number.isSafeInteger(seq) && seq >= 0 ? seq : Number.MAX_SAFE_INTEGER
    pin(place, { ...head, mismatch: 'source-head', missing: 'source-head', about: 'the source’s own head' })
  }
  const frontier = checkpoint && newFrontier(suite)

  const checkRoot = (leafHash: string): readonly Remark[] => {
    if (checkpoint === undefined || frontier === undefined || frontier.size >= checkpoint.size) return nothing
    frontier.add(fromHex(leafHash) ?? new Uint8Array(32))
    if (frontier.size < checkpoint.size) return nothing
    const [expected, found] = [hex(checkpoint.rootHash), hex(frontier.root())]
    const cause = `The root over the first ${checkpoint.size} entries is not that of the checkpoint.`
    return expected === found ? nothing : [{ code: 'checkpoint-mismatch', cause, expected, found }]
  }

  return {
    check(seq, leafHash, recordedAt) {
      const root = checkRoot(leafHash)
      const here = pins.get(seq)
      if (here === undefined) return root
      pins.delete(seq)
      return [...root, ...here.flatMap(it => mismatch(it, leafHash, recordedAt))]
    },
    missing(end) {
      const places = [...pins].sort(([a], [b]) => a - b)
      const found = `the ledger ends before seq ${end}`
      const remarks = places.flatMap(([seq, here]) =>
        here.map((it): { seq: number; remark: Remark } => {
          const cause = `The entry that ${it.about} names is not there.`
          const expected = `seq ${seq} with leaf hash ${it.leafHash}`
          return { seq: Math.min(seq, end), remark: { code: it.missing, cause, expected, found } }
        }),
      )
      if (checkpoint === undefined || frontier === undefined || frontier.size >= checkpoint.size) return remarks
      const cause = 'The checkpoint is about entries that are not there.'
      const remark: Remark = {
        code: 'checkpoint-missing',
        cause,
        expected: `${checkpoint.size} entries`,
        found: `${frontier.size}`,
      }
      return [...remarks, { seq: end, remark }]
    },
  }
}

function mismatch(pin: Pin, leafHash: string, recordedAt: string | undefined): readonly Remark[] {
  const code = pin.mismatch
  if (pin.leafHash !== leafHash) {
    const cause = `At this place ${pin.about} names another entry.`
    return [{ code, cause, expected: pin.leafHash, found: leafHash }]
  }
  if (pin.recordedAt === undefined || recordedAt === undefined || pin.recordedAt === recordedAt) return nothing
  const cause = `At this place ${pin.about} names another time.`
  return [{ code, cause, expected: pin.recordedAt, found: recordedAt }]
}
