import { z } from 'zod'
import { hex } from '../base/bytes.ts'
import type { Suite } from '../crypto/suite.ts'
import { addRecord, type ChainOptions, type ChainVerdict, judgeRow, newRow, refuseAt, rowVerdict } from './chain.ts'
import { isArray, isObject, type Json, type JsonObject } from './json.ts'
import type { KeyRing } from './keyring.ts'
import { name, refuse, type Tally } from './record/classes.ts'
import { canonicalBytes, without } from './record/content.ts'
import { judgeParsed, readText, recordLimits } from './record/judge.ts'

export const bundleVersion = 'aep-bundle/v0.1'

const manifestSchema = z.object({
  schema_version: z.literal(bundleVersion),
  producer: z.string(),
  created_at: z.string(),
  record_count: z.number(),
  run_ids: z.array(z.string()),
  started_at_ms: z.number(),
  ended_at_ms: z.number(),
  records: z.array(z.object({ index: z.number(), digest: z.string(), run_id: z.string() })),
  bundle_digest: z.string(),
})

/** An evidence bundle: AEP records in a row, and a manifest of digests. Nobody signs the manifest. */
export const evidenceBundleSchema = z.object({
  schema_version: z.literal(bundleVersion),
  manifest: manifestSchema,
  records: z.array(z.unknown()),
})

type Manifest = z.output<typeof manifestSchema>

/**
 * The verdict on an evidence bundle: its manifest against its records, each record on its own, and the chain they form.
 * Since whoever drops records can rebuild the manifest, only an anchor or the records' own links tell of a missing one.
 */
export function judgeBundle(
  input: string | Uint8Array,
  keys: KeyRing,
  suite: Suite,
  options: ChainOptions = {},
): ChainVerdict {
  const row = newRow()
  const value = readText(input, { ...bundleLimits, ...options.limits }, row.tally)
  if (value === undefined) return rowVerdict(row)
  if (!isObject(value)) {
    refuse(row.tally, 'not-object', '', 'a bundle is a JSON object')
    return rowVerdict(row)
  }
  const manifest = judgeShape(value, row.tally)
  const listed = value['records']
  const records: readonly Json[] = isArray(listed) ? listed : []
  const verdicts = records.map(record => judgeParsed(record, keys, suite, options))
  for (const verdict of verdicts) addRecord(row, verdict)
  if (manifest) {
    const digests = manifest.records
    for (const [index, { chainHash }] of verdicts.entries()) {
      const stated = digests[index]?.digest
      if (stated !== undefined && stated !== chainHash) {
        refuseAt(row, index, 'bundle-record-digest', `the manifest says ${stated}, the record is ${chainHash}`)
      }
    }
    judgeManifest(manifest, value['manifest'], records, suite, row.tally)
  }
  judgeRow(row, options.anchor ?? {})
  return rowVerdict(row)
}

/** A bundle may hold many records, each within its own limits. */
const bundleLimits = { ...recordLimits, bytesMax: 67_108_864, depthMax: recordLimits.depthMax + 2 }

function judgeShape(value: JsonObject, tally: Tally): Manifest | undefined {
  const parsed = evidenceBundleSchema.safeParse(value)
  if (!parsed.success) {
    for (const { path, message } of parsed.error.issues) {
      refuse(tally, 'schema', path.map(step => `/${String(step)}`).join(''), message)
    }
    return undefined
  }
  for (const member of Object.keys(value)) {
    if (!Object.hasOwn(evidenceBundleSchema.shape, member)) {
      name(tally, 'unsigned-member', `/${member}`, 'neither signature nor digest covers this member')
    }
  }
  return parsed.data.manifest
}

/** What the manifest says of the records it lists; its digest is over all of it but the digest itself. */
function judgeManifest(
  manifest: Manifest,
  stated: Json | undefined,
  records: readonly Json[],
  suite: Suite,
  tally: Tally,
): void {
  const at = '/manifest'
  const digest = isObject(stated) ? hex(suite.sha256(canonicalBytes(without(stated, 'bundle_digest')))) : ''
  if (digest !== manifest.bundle_digest) refuse(tally, 'bundle-digest', `${at}/bundle_digest`, `it should be ${digest}`)
  if (manifest.record_count !== records.length) {
    refuse(tally, 'bundle-count', `${at}/record_count`, `the bundle holds ${records.length} records`)
  }
  const mismatch = (pointer: string, detail: string) =>
    refuse(tally, 'bundle-manifest-mismatch', `${at}${pointer}`, detail)
  if (manifest.records.length !== records.length) mismatch('/records', `the bundle holds ${records.length} records`)
  const runs = records.map(record => (isObject(record) ? record['run_id'] : undefined))
  for (const [index, entry] of manifest.records.entries()) {
    if (entry.index !== index) mismatch(`/records/${index}/index`, `it should be ${index}`)
    if (index < runs.length && entry.run_id !== runs[index]) mismatch(`/records/${index}/run_id`, 'another run')
  }
  if (!sameMembers(manifest.run_ids, runs)) mismatch('/run_ids', 'the records are of other runs')
  const times = records.map(record => (isObject(record) ? Number(record['created_at_ms']) : Number.NaN))
  const [startedAtMs, endedAtMs] = times.length === 0 ? [0, 0] : [times.reduce(least), times.reduce(greatest)]
  if (manifest.started_at_ms !== startedAtMs) mismatch('/started_at_ms', `the records begin at ${startedAtMs}`)
  if (manifest.ended_at_ms !== endedAtMs) mismatch('/ended_at_ms', `the records end at ${endedAtMs}`)
}

const least = (a: number, b: number) => Math.min(a, b)
const greatest = (a: number, b: number) => Math.max(a, b)

function sameMembers(stated: readonly string[], found: readonly (Json | undefined)[]): boolean {
  const [a, b] = [new Set<Json | undefined>(stated), new Set(found)]
  return a.size === stated.length && a.size === b.size && [...a].every(member => b.has(member))
}
