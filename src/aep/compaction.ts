import { z } from 'zod'
import { hex, utf8 } from '../base/bytes.ts'
import type { Suite } from '../crypto/suite.ts'
import { referenceCanonicalText } from './canonical.ts'
import { isArray, isObject, type Json } from './json.ts'
import { refuse, type Tally } from './record/classes.ts'

const toolRollupSchema = z.object({
  tool_name: z.string(),
  count: z.number(),
  state_changing_count: z.number(),
  side_effect_classes: z.record(z.string(), z.number()),
})

/**
 * What the reference's `compact()` leaves of a range of its ledger: `proofHash` is the SHA-256 of the entries' stored hashes
 * as one text, the times are those of the first and the last record.
 */
export const compactionSchema = z.object({
  fromSeq: z.number(),
  toSeq: z.number(),
  recordCount: z.number(),
  proofHash: z.string(),
  firstRecordHash: z.string(),
  firstRecordPrevHash: z.string(),
  lastRecordHash: z.string(),
  toolRollups: z.array(toolRollupSchema),
  startedAtMs: z.number(),
  endedAtMs: z.number(),
  runIds: z.array(z.string()),
  compactedAtMs: z.number(),
  label: z.string().optional(),
})

type Compaction = z.output<typeof compactionSchema>

/** What a compaction needs of a ledger entry. */
export interface CompactedEntry {
  readonly seq: number
  readonly prevHash: string
  readonly record: Json
  readonly hash: string
}

/** Refuses a compaction that does not say what the entries of its range do. */
export function judgeCompaction(stated: Json, ledger: readonly CompactedEntry[], suite: Suite, tally: Tally): void {
  const parsed = compactionSchema.safeParse(stated)
  if (!parsed.success) {
    for (const { path, message } of parsed.error.issues) {
      refuse(tally, 'schema', `/compaction${path.map(step => `/${String(step)}`).join('')}`, message)
    }
    return
  }
  const { fromSeq, toSeq } = parsed.data
  const range = ledger.filter(({ seq }) => seq >= fromSeq && seq <= toSeq)
  const [said, found] = [comparable(parsed.data), compact(range, fromSeq, toSeq, suite)]
  for (const [member, value] of Object.entries(found)) {
    const expected = referenceCanonicalText(value)
    if (referenceCanonicalText(said[member] ?? null) !== expected) {
      refuse(tally, 'compaction-mismatch', `/compaction/${member}`, `the entries give ${expected}`)
    }
  }
}

/** The members that follow from the entries; lists whose order says nothing are sorted. */
const comparable = ({ compactedAtMs: _, label: __, ...rest }: Compaction): Readonly<Record<string, Json>> => ({
  ...rest,
  runIds: [...rest.runIds].sort(),
  toolRollups: byTool(rest.toolRollups),
})

function compact(
  range: readonly CompactedEntry[],
  fromSeq: number,
  toSeq: number,
  suite: Suite,
): Readonly<Record<string, Json>> {
  const [first, last] = [range[0], range.at(-1)]
  const runs = new Set(range.map(({ record }) => String(memberOf(record, 'run_id'))))
  return {
    fromSeq: first?.seq ?? null,
    toSeq: last?.seq ?? null,
    recordCount: toSeq - fromSeq + 1 === range.length ? range.length : null,
    proofHash: hex(suite.sha256(utf8(range.map(({ hash }) => hash).join('')))),
    firstRecordHash: first?.hash ?? null,
    firstRecordPrevHash: first?.prevHash ?? null,
    lastRecordHash: last?.hash ?? null,
    startedAtMs: memberOf(first?.record, 'created_at_ms') ?? null,
    endedAtMs: memberOf(last?.record, 'created_at_ms') ?? null,
    runIds: [...runs].sort(),
    toolRollups: byTool(rollUp(range)),
  }
}

interface Rollup {
  tool_name: string
  count: number
  state_changing_count: number
  side_effect_classes: Record<string, number>
}

/** Actions by tool. A record of the emitter repeats the actions of those before it; the reference counts them each time. */
function rollUp(range: readonly CompactedEntry[]): Rollup[] {
  const rollups = new Map<string, Rollup>()
  for (const { record } of range) {
    const actions = memberOf(record, 'actions')
    for (const action of isArray(actions) ? actions : []) {
      const tool = String(memberOf(action, 'tool_name'))
      const effect = String(memberOf(action, 'side_effect_class') ?? 'unknown')
      const rollup = rollups.get(tool) ?? {
        tool_name: tool,
        count: 0,
        state_changing_count: 0,
        side_effect_classes: {},
      }
      rollup.count++
      if (memberOf(action, 'state_changing') === true) rollup.state_changing_count++
      rollup.side_effect_classes[effect] = (rollup.side_effect_classes[effect] ?? 0) + 1
      rollups.set(tool, rollup)
    }
  }
  return [...rollups.values()]
}

const byTool = (rollups: readonly Rollup[]): Json =>
  [...rollups].sort((a, b) => (a.tool_name < b.tool_name ? -1 : 1)).map(rollup => ({ ...rollup }))

const memberOf = (value: Json | undefined, member: string): Json | undefined =>
  isObject(value) ? value[member] : undefined
