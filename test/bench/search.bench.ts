import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { nodeSuite } from '../../src/crypto/node.ts'
import { encodeEntry, type LeafHash, leafHashOf, type Seq, type StoredEntry, zeroHash } from '../../src/ledger/entry.ts'
import { type ClickHouse, openClickHouse } from '../../src/query/clickhouse.ts'
import { type Engine, startEngine } from '../../src/query/engine.ts'
import type { SearchFilter } from '../../src/query/port.ts'
import { ms, type Print, percentile, perSecond, type Row, rate, type Scale, type Section } from './section.ts'

/**
 * Search over a ledger of a million entries, in the service's own engine: how fast its rows get in, and how long each
 * filter takes for a page of 50 with values drawn afresh each time, so that no answer is remembered from before.
 */
export async function benchSearch(print: Print, scale: Scale): Promise<Section> {
  const count = scale === 'full' ? 1_000_000 : 20_000
  const runs = scale === 'full' ? 60 : 5
  const dir = mkdtempSync(join(tmpdir(), 'aep-bench-search-'))
  const engine = await startEngine({ dir })
  try {
    await engine.ready
    const clickHouse = await openClickHouse(engine, { hashLeaf })
    const rows = [...(await fill(clickHouse, count, print))]
    rows.push({
      what: 'disk a row, indexes included',
      figure: `${Math.round((await diskBytes(engine)) / count)} bytes`,
    })
    for (const [what, filterOf] of Object.entries(searches)) {
      const row = await time(clickHouse, what, filterOf, count, runs)
      print(`${row.what}: ${row.figure}`)
      rows.push(row)
    }
    rows.push({ what: 'memory of the engine after all that', figure: `${rssMib(engine)} MiB` })
    await clickHouse.close()
    return {
      title: `Search over ${count.toLocaleString('en')} entries`,
      how:
        `Events of ~600 B, pages of 50, newest first, ${runs} searches each with other values. 5,000 principals, ` +
        '50,000 runs, 500 tools, 3 % denials.',
      rows,
    }
  } finally {
    await engine.close()
    rmSync(dir, { recursive: true, force: true })
  }
}

export const ledger = 'bench'
export const hashLeaf = (bytes: Uint8Array): LeafHash => leafHashOf(nodeSuite, bytes)
const batch = 8_192

export async function fill(clickHouse: ClickHouse, count: number, print: Print): Promise<readonly Row[]> {
  let prev = zeroHash
  let insertMs = 0
  let lagMsMax = 0
  let beat: number | undefined
  const pulse = setInterval(() => {
    if (beat === undefined) return
    lagMsMax = Math.max(lagMsMax, performance.now() - beat - 5)
    beat = performance.now()
  }, 5)
  await clickHouse.check()
  for (let from = 0; from < count; from += batch) {
    const entries: StoredEntry[] = []
    for (let seq = from; seq < Math.min(from + batch, count); seq++) {
      const entry = entryAt(seq, prev, count)
      prev = hashLeaf(entry.bytes)
      entries.push(entry)
    }
    const start = performance.now()
    beat = start
    await clickHouse.insert(ledger, entries)
    insertMs += performance.now() - start
    beat = undefined
    if (from % (batch * 16) === 0) print(`${from + entries.length} rows`)
  }
  clearInterval(pulse)
  const rowsPerSecond = perSecond(count, insertMs)
  return [
    { what: 'rows in', figure: rate(rowsPerSecond) },
    {
      what: 'longest hold of the event loop while inserting',
      figure: ms(lagMsMax),
    },
  ]
}

export const searches: Readonly<Record<string, (pick: Pick, count: number) => SearchFilter>> = {
  'no filter': () => ({}),
  'a day': (pick, count) => {
    const from = timeMsAt(pick(count), count)
    return { sinceMs: from, untilMs: from + 86_400_000 }
  },
  type: pick => ({ types: [pick(2) ? 'aep.lease.granted' : 'aep.result'] }),
  principal: pick => ({ principals: [principalOf(pick(5_000))] }),
  'busiest principal': () => ({ principals: [principalOf(0)] }),
  run: (pick, count) => ({ runs: [runOf(pick(count))] }),
  session: (pick, count) => ({ sessions: [sessionOf(pick(count))] }),
  server: pick => ({ servers: [serverOf(pick(500))] }),
  tool: pick => ({ tools: [toolOf(pick(500))] }),
  denials: () => ({ decisions: ['deny'] }),
  'deny reason': pick => ({ denyReasons: [denyReasons[pick(denyReasons.length)] ?? ''] }),
  'side effect (undeclared)': () => ({ sideEffects: ['unknown'] }),
  lease: (pick, count) => ({ leases: [leaseOf(pick(count))] }),
  policy: pick => ({ policies: [`policy-${pick(100)}`] }),
  'two words': pick => ({ words: [words[pick(words.length)] ?? '', words[pick(words.length)] ?? ''] }),
  'a rare word': pick => ({ words: [`case${pick(20_000)}`] }),
  'a word that is nowhere': pick => ({ words: [`nowhere${pick(1_000)}`] }),
  'tool and denial': pick => ({ tools: [toolOf(pick(500))], decisions: ['deny'] }),
  'principal, server and a day': (pick, count) => {
    const from = timeMsAt(pick(count), count)
    return {
      principals: [principalOf(pick(50))],
      servers: [serverOf(pick(500))],
      sinceMs: from,
      untilMs: from + 86_400_000,
    }
  },
  'nothing found': pick => ({ runs: [`no-such-run-${pick(1_000)}`] }),
}

type Pick = (below: number) => number

async function time(
  clickHouse: ClickHouse,
  what: string,
  filterOf: (pick: Pick, count: number) => SearchFilter,
  count: number,
  runs: number,
): Promise<Row> {
  const taken: number[] = []
  let found = 0
  for (let run = -2; run < runs; run++) {
    let draw = 0
    const filter = filterOf(below => mix(1_000_003 * (run + 3) + draw++) % below, count)
    const start = performance.now()
    const page = await clickHouse.search(ledger, filter, 50)
    if (run < 0) continue
    taken.push(performance.now() - start)
    found += page.items.length
  }
  const p99 = percentile(taken, 0.99)
  return {
    what: `${what} (${Math.round(found / runs)} hits)`,
    figure: `p50 ${ms(percentile(taken, 0.5))}, p99 ${ms(p99)}`,
    target: 'p99 under 150 ms',
    met: p99 < 150,
    bound: 'fewer hits than a page, spread over all months: every granule that the index leaves is read',
  }
}

/** A 32-bit number from another, evenly spread: the generator's only randomness. */
export function mix(value: number): number {
  let x = Math.imul(value ^ 0x9e3779b9, 0x85ebca6b)
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35)
  x = Math.imul(x ^ (x >>> 16), 0x27d4eb2f)
  return (x ^ (x >>> 15)) >>> 0
}

const hex = (value: number, salt: number): string =>
  [0, 1, 2, 3]
    .map(part =>
      mix(value * 4 + part + salt)
        .toString(16)
        .padStart(8, '0'),
    )
    .join('')
const words = [
  'lease',
  'expired',
  'scope',
  'untrusted',
  'instruction',
  'taint',
  'manifest',
  'drift',
  'quota',
  'boundary',
]
const denyReasons = ['lease_expired', 'scope_exceeded', 'taint_blocked', 'policy_denied', 'consent_missing', 'drift']
const effects = ['none', 'read', 'write', 'external_send', '']
const principalOf = (index: number): string => hex(index, 11).slice(0, 16)
const runOf = (seq: number): string => `run-${hex(Math.floor(seq / 20), 12)}`
const sessionOf = (seq: number): string => `session-${hex(Math.floor(seq / 80), 13)}`
const leaseOf = (seq: number): string => `lease-${hex(Math.floor(seq / 10), 14)}`
const toolOf = (index: number): string => `tool_${index}.call`
const serverOf = (index: number): string => `server-${index % 20}`
const start = Date.UTC(2026, 0, 10)
const span = 60 * 86_400_000
const timeMsAt = (seq: number, count: number): number => start + Math.floor((seq / count) * span)

/** The entry at `seq`: three in five a decision, then results, lease grants and uses; runs of 20 by one principal. */
export function entryAt(seq: number, prev: LeafHash, count: number): StoredEntry {
  const timeMs = timeMsAt(seq, count)
  const bytes = encodeEntry(
    {
      ledger,
      seq: seq as Seq,
      prev,
      recorded_at: new Date(timeMs + 40).toISOString(),
      key_id: 'ab'.repeat(16),
      intake: { by: 'gateway-1', emitter_sig: 'absent', record_sig: 'not_a_record' },
    },
    eventText(seq, new Date(timeMs - (mix(seq) % 2_000)).toISOString()),
  )
  const signature = Buffer.allocUnsafe(64)
  for (let at = 0; at < 64; at += 4) signature.writeUInt32LE(mix(seq * 16 + at), at)
  return { seq: seq as Seq, bytes, signature }
}

/** RFC 8785 text of an event: members stand in their order as they are written here. */
function eventText(seq: number, time: string): string {
  const dice = mix(seq + 77)
  const run = Math.floor(seq / 20)
  const principal = principalOf(mix(run) % 10 === 0 ? 0 : mix(run + 5) % 5_000)
  const tool = dice % 500
  const place = { run_id: runOf(seq), server_id: serverOf(tool), session_id: sessionOf(seq), tool_name: toolOf(tool) }
  const effect = effects[(dice >>> 9) % effects.length]
  const kind = dice % 10
  const [type, data] =
    kind < 6
      ? ['aep.decision', decisionData(seq, dice, principal, place, effect)]
      : kind < 8
        ? [
            'aep.result',
            {
              decision_event_id: `event-${seq - 3}`,
              outcome: 'succeeded',
              principal_hash: principal,
              result_digest: hex(seq, 16) + hex(seq, 17),
              ...place,
            },
          ]
        : kind < 9
          ? ['aep.lease.used', { lease_id: leaseOf(seq), principal_hash: principal, ...place }]
          : [
              'aep.lease.granted',
              {
                expires_at: time,
                granted_tools: [toolOf(tool), toolOf((tool + 1) % 500)],
                lease_id: leaseOf(seq),
                principal_hash: principal,
                run_id: place.run_id,
                server_id: place.server_id,
                session_id: place.session_id,
              },
            ]
  return `{"data":${JSON.stringify(data)},"id":"event-${seq}","source":"urn:gateway:${run % 8}","specversion":"1.0","time":"${time}","type":"${type}"}`
}

function decisionData(
  seq: number,
  dice: number,
  principal: string,
  place: { run_id: string; server_id: string; session_id: string; tool_name: string },
  effect: string | undefined,
): object {
  const denied = mix(seq + 99) % 1_000 < 50
  const word = (part: number): string => words[(dice >>> part) % words.length] ?? ''
  return {
    action_class: 'tool_call',
    args_digest: hex(seq, 15) + hex(seq, 18),
    decision: denied ? 'deny' : 'allow',
    ...(denied ? { deny_reason_class: denyReasons[(dice >>> 14) % denyReasons.length] } : {}),
    lease_id: leaseOf(seq),
    matched_policies: [`policy-${(dice >>> 6) % 100}`],
    principal: { principal_hash: principal, session_id: place.session_id },
    ...(denied ? { reasons: [`${word(3)} ${word(7)} for the ${word(11)}, case${seq % 20_000}`] } : {}),
    run_id: place.run_id,
    ...(effect ? { side_effect_class: effect } : {}),
    target: { server_id: place.server_id, tool_name: place.tool_name },
  }
}

/** Bytes of the table's parts, asked of the engine by its writer, who may. */
async function diskBytes(engine: Engine): Promise<number> {
  const authorization = `Basic ${btoa(`${engine.writer.username}:${engine.writer.password}`)}`
  const body = "SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND table = 'entry_rows'"
  const answer = await fetch(engine.url, { method: 'POST', headers: { authorization }, body })
  return Number(await answer.text())
}

function rssMib(engine: Engine): number {
  const found = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${engine.pid}/status`, 'utf8'))
  return Math.round(Number(found?.[1] ?? 0) / 1024)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const print = (line: string): void => void process.stdout.write(`${line}\n`)
  const section = await benchSearch(print, process.argv.includes('--short') ? 'short' : 'full')
  for (const { what, figure, met } of section.rows) print(`${what}: ${figure}${met === false ? ' (missed)' : ''}`)
}
