import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { cliMain, type Serving } from '../../infra/serve.ts'
import { leafHashOf } from './history.ts'
import { searchEnv, type World } from './world.ts'

/** What is looked at once, when all is over. */

const ask = ({ url, token }: Serving, path: string, accept = 'application/json'): Promise<Response> =>
  fetch(`${url}${path}`, { headers: { authorization: `Bearer ${token}`, accept } })

/** The one key that signs all ledgers, and the file of keys for the verifier. */
export async function keysOf(serving: Serving, ledger: string): Promise<{ publicHex: string; text: string }> {
  const text = await (await ask(serving, `/v1/ledgers/${ledger}/keys`)).text()
  const publicHex = /"public_hex": ?"([0-9a-f]{64})"/.exec(text)?.[1]
  if (publicHex === undefined) throw new Error(`there is no key in ${text}`)
  return { publicHex, text }
}

const catchUpMsMax = 60_000

/** Every door gives every ledger as the topic has it, byte for byte, and its leases know all of it. */
export async function checkDoors(world: World, heads: ReadonlyMap<string, string>): Promise<readonly string[]> {
  const faults: string[] = []
  for (const { name, isDoor, serving } of world.members) {
    if (!isDoor || serving === undefined) continue
    for (const [ledger, head] of heads) {
      let found = ''
      for (const untilMs = performance.now() + catchUpMsMax; performance.now() < untilMs; await sleep(500)) {
        found = await exportedHead(serving, ledger)
        if (found === head) break
      }
      if (found !== head) faults.push(`${name} has ${ledger} up to ${found}, and the topic up to ${head}`)
      for (const view of ['leases', 'events'] as const) {
        if (!(await isComplete(serving, ledger, view))) faults.push(`${name}: the ${view} of ${ledger} never caught up`)
      }
    }
  }
  return faults
}

/** `seq:leafHash` of the last entry of an export whose entries follow one another; what is wrong with it otherwise. */
async function exportedHead(serving: Serving, ledger: string): Promise<string> {
  const lines = (await (await ask(serving, `/v1/ledgers/${ledger}/entries`, 'application/x-ndjson')).text()).trimEnd()
  let prev = '0'.repeat(64)
  let seq = -1
  for (const line of lines.split('\n')) {
    const bytes = Buffer.from((JSON.parse(line) as { payload: string }).payload, 'base64')
    const entry = JSON.parse(bytes.toString()) as { readonly seq: number; readonly prev: string }
    if (entry.seq !== seq + 1 || entry.prev !== prev) return `a break at seq ${seq + 1}`
    prev = leafHashOf(bytes)
    seq = entry.seq
  }
  return `${seq}:${prev}`
}

async function isComplete(serving: Serving, ledger: string, view: string): Promise<boolean> {
  for (const untilMs = performance.now() + catchUpMsMax; performance.now() < untilMs; await sleep(500)) {
    const response = await ask(serving, `/v1/ledgers/${ledger}/${view}?limit=1`)
    if (response.ok && ((await response.json()) as { complete?: boolean }).complete === true) return true
  }
  return false
}

/** Every lease of a ledger as a door tells of it at a moment, as one digest. */
export async function leasesDigest(serving: Serving, ledger: string): Promise<string> {
  const digest = createHash('sha256')
  for (let cursor: string | null = ''; cursor !== null; ) {
    const at = 'at=2026-12-01T00:00:00Z&limit=500'
    const more: string = cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`
    const response = await ask(serving, `/v1/ledgers/${ledger}/leases?${at}${more}`)
    const page = (await response.json()) as { readonly items?: readonly object[]; readonly next?: string | null }
    if (page.items === undefined) return `${response.status}`
    digest.update(JSON.stringify(page.items))
    cursor = page.next ?? null
  }
  return digest.digest('hex')
}

/** Leases are the same, whichever door is asked. */
export async function checkLeases(world: World): Promise<readonly string[]> {
  const faults: string[] = []
  for (const ledger of world.ledgers) {
    const digests = new Set(await Promise.all(world.doors().map(door => leasesDigest(door, ledger))))
    if (digests.size > 1) faults.push(`doors tell different leases of ${ledger}: ${[...digests].join()}`)
  }
  return faults
}

/**
 * Ends every process in order, holds the views in its folder against a fold of its log from nothing, and its log against the
 * heads of the topic.
 */
export async function checkFolders({ members }: World, pinned: readonly string[]): Promise<readonly string[]> {
  const faults: string[] = []
  for (const member of members) {
    if (member.serving === undefined) continue
    const code = await member.stop()
    if (code !== 0) faults.push(`${member.name} ended with ${code}`)
    const rebuilt = await cli(['rebuild', '--check', '--state', '--data-dir', member.dir])
    if (rebuilt !== undefined) faults.push(`rebuild --check of ${member.name}: ${rebuilt}`)
    const verdict = await cli(['verify', member.dir, ...pinned])
    if (verdict !== undefined) faults.push(`verify of the replica of ${member.name}: ${verdict}`)
  }
  return faults
}

/** Options of the verifier: the key to trust, and heads that have to be there. */
export function pins(dir: string, keys: string, heads: ReadonlyMap<string, string>): readonly string[] {
  const file = join(dir, 'pinned-keys.json')
  writeFileSync(file, keys)
  const heard = [...heads].flatMap(([ledger, head]) => ['--head', `${ledger}@${head}`])
  return ['--keys', file, ...heard]
}

/** The rows of ClickHouse against what a log adds up to, every row. */
export async function checkRows({ kafka, clickhouse, members }: World): Promise<readonly string[]> {
  const [first] = members
  const env = { ...searchEnv(clickhouse), AEP_LEDGER_KAFKA_BROKERS: kafka.bootstrap.join() }
  const rebuilt = await cli(['rebuild', '--check', '--search', '--data-dir', first?.dir ?? ''], env)
  return rebuilt === undefined ? [] : [`rebuild --check of the rows: ${rebuilt}`]
}

/** The verdict of the verifier on the topic itself. */
export async function checkVerdict({ kafka }: World, pinned: readonly string[]): Promise<readonly string[]> {
  const outcome = await cli(['verify', `kafka://${kafka.bootstrap.join()}/aep`, ...pinned])
  return outcome === undefined ? [] : [`verify: ${outcome}`]
}

/** What a verb said, unless all is well. */
async function cli(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<string | undefined> {
  try {
    await promisify(execFile)(process.execPath, [cliMain, ...args], {
      maxBuffer: 1 << 26,
      env: { ...process.env, ...env },
    })
    return undefined
  } catch (error) {
    const { code, stdout = '', stderr = '' } = error as { code?: unknown; stdout?: string; stderr?: string }
    return `${code} ${stdout.slice(-2000)} ${stderr.slice(-2000)}`
  }
}
