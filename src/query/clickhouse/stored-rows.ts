import type { FactRow, Row } from '../row.ts'
import { rowsTable } from '../tables.ts'
import type { Connection } from './connection.ts'

/** A row as JSONEachRow gives it; bytes in base64, moments in ms, and the facts column by column. */
interface JsonRow {
  readonly ledger: string
  readonly seq: string
  readonly leafHash: string
  readonly recordedAtMs: string
  readonly timeMs: string
  readonly timeFrom: 'event' | 'recorded'
  readonly type: string
  readonly source: string
  readonly eventId: string
  readonly keyId: string
  readonly by: string
  readonly emitterSig: string
  readonly recordSig: string
  readonly principal: string
  readonly session: string
  readonly run: string
  readonly reasons: string
  readonly terms: readonly string[]
  readonly signature: string
  readonly entry: string
  readonly facts: readonly (readonly [
    kind: string,
    principal: string,
    session: string,
    run: string,
    server: string,
    tools: readonly string[],
    decision: string,
    denyReason: string,
    sideEffect: string,
    lease: string,
    policies: readonly string[],
    decisionId: string,
    outcome: string,
    drift: FactRow['drift'],
  ])[]
}

/** Rows of one seq that are shown at most: one is right, and however many others there are, they are doubles. */
const rowsOfSeqMax = 3

/** Rows with a seq from `from` (inclusive) to `until` (exclusive), in order of seq, with doubles of each. */
export async function storedRows(
  connection: Connection,
  ledger: string,
  from: number,
  until: number,
): Promise<readonly Row[]> {
  const rows = await connection.read<JsonRow>(
    `SELECT ledger, seq, lower(hex(leaf_hash)) AS leafHash, toUnixTimestamp64Milli(recorded_at) AS recordedAtMs,
       toUnixTimestamp64Milli(time) AS timeMs, time_from AS timeFrom, type, source, event_id AS eventId, key_id AS keyId,
       intake_by AS by, emitter_sig AS emitterSig, record_sig AS recordSig, principal, session, run, reasons, terms,
       base64Encode(signature) AS signature, base64Encode(entry) AS entry,
       arrayMap((a, b, c, d, e, f, g, h, i, j, k, l, m, n) -> (a, b, c, d, e, f, g, h, i, j, k, l, m, n),
         fact_kind, fact_principal, fact_session, fact_run, fact_server, fact_tools, fact_decision, fact_deny_reason,
         fact_side_effect, fact_lease, fact_policies, fact_decision_id, fact_outcome, fact_drift) AS facts
     FROM ${rowsTable}
     WHERE ledger = {ledger:String} AND seq >= {from:UInt64} AND seq < {until:UInt64} ORDER BY ${rowsTable}.seq
     LIMIT ${rowsOfSeqMax} BY ${rowsTable}.seq`,
    { ledger, from, until },
  )
  return rows.map(rowOfJson)
}

/** Seqs of the first `limit` rows from `from` on, ascending: any that the table can hold, and none where there is no row. */
export async function storedSeqs(
  connection: Connection,
  ledger: string,
  from: bigint,
  limit: number,
): Promise<readonly bigint[]> {
  const rows = await connection.readLong<{ seq: string }>(
    `SELECT seq FROM ${rowsTable} WHERE ledger = {ledger:String} AND seq >= {from:UInt64}
     ORDER BY seq LIMIT {limit:UInt32}`,
    { ledger, from: String(from), limit },
  )
  return [...new Set(rows.map(({ seq }) => BigInt(seq)))]
}

function rowOfJson(json: JsonRow): Row {
  return {
    ...json,
    seq: Number(json.seq),
    leafHash: json.leafHash as Row['leafHash'],
    recordedAtMs: Number(json.recordedAtMs),
    timeMs: Number(json.timeMs),
    signature: new Uint8Array(Buffer.from(json.signature, 'base64')),
    entry: new Uint8Array(Buffer.from(json.entry, 'base64')),
    facts: json.facts.map(
      ([kind, principal, session, run, server, tools, decision, denyReason, sideEffect, lease, ...rest]) => {
        const [policies, decisionId, outcome, drift] = rest
        return {
          kind,
          principal,
          session,
          run,
          server,
          tools,
          decision,
          denyReason,
          sideEffect,
          lease,
          policies,
          decisionId,
          outcome,
          drift,
        }
      },
    ),
  }
}
