import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { cliMain, type Serving, serve } from '../../infra/serve.ts'
import { nodeSuite } from '../../src/crypto/node.ts'
import { leafHashOf } from '../../src/ledger/entry.ts'
import { openEmbedded, openEmbeddedReader } from '../../src/log/embedded/open.ts'
import { openClickHouse } from '../../src/query/clickhouse.ts'
import { startEngine } from '../../src/query/engine.ts'
import { rowsAgainst } from '../../src/query/rows-against.ts'
import { stateView } from '../../src/service/state-rows.ts'
import { rebuildState } from '../../src/service/state-view.ts'

const ledger = 'default'
const hashLeaf = (bytes: Uint8Array) => leafHashOf(nodeSuite, bytes)

/**
 * What is wrong with a folder whose service was killed, once another has caught up on it: the verdict of the verifier, the
 * state view against one that is folded from nothing, and ClickHouse's rows against the log.
 */
export async function checkViews(
  dir: string,
  search: boolean,
  env: Readonly<Record<string, string>>,
): Promise<readonly string[]> {
  const serving = await serve(dir, {
    AEP_LEDGER_LOG_LEVEL: 'error',
    ...(!search && { AEP_LEDGER_SEARCH: 'off' }),
    ...env,
  })
  const faults: string[] = []
  if (!(await isComplete(serving, 'leases?limit=1'))) faults.push('the leases never caught up')
  if (search && !(await isComplete(serving, 'events?limit=1'))) faults.push('the rows never caught up')
  const keys = await (await ask(serving, 'keys')).text()
  const code = await serving.stop()
  if (code !== 0) faults.push(`the service ended with ${code}`)
  faults.push(...(await checkChain(dir, keys)), ...(await checkState(dir)))
  if (search) faults.push(...(await checkRows(dir)))
  return faults
}

const ask = ({ url, token }: Serving, path: string): Promise<Response> =>
  fetch(`${url}/v1/ledgers/${ledger}/${path}`, { headers: { authorization: `Bearer ${token}` } })

const catchUpTries = 240

async function isComplete(serving: Serving, path: string): Promise<boolean> {
  for (let tries = 0; tries < catchUpTries; tries++) {
    const response = await ask(serving, path)
    const answer = (await response.json()) as { complete?: boolean }
    if (response.ok && answer.complete === true) return true
    await sleep(250)
  }
  return false
}

async function checkChain(dir: string, keys: string): Promise<readonly string[]> {
  const file = join(dir, 'pinned-keys.json')
  writeFileSync(file, keys)
  try {
    await promisify(execFile)(process.execPath, [cliMain, 'verify', dir, '--keys', file])
    return []
  } catch (error) {
    return [`verify: ${(error as { stdout?: string }).stdout ?? error}`]
  }
}

async function checkState(dir: string): Promise<readonly string[]> {
  const log = await openEmbedded(dir)
  try {
    const kept = log.views.dump(stateView, ledger)
    await rebuildState(log, log.views)
    return log.views.dump(stateView, ledger) === kept ? [] : ['the state view is not what the log folds to']
  } finally {
    await log.close()
  }
}

async function checkRows(dir: string): Promise<readonly string[]> {
  const log = await openEmbeddedReader(dir)
  const engine = await startEngine({ dir: join(dir, 'clickhouse') })
  try {
    await engine.ready
    const clickHouse = await openClickHouse(engine, { hashLeaf })
    const faults: string[] = []
    const read = (from: number, limit: number) => log.read(ledger, from, limit)
    for await (const { code, seq } of rowsAgainst(clickHouse, ledger, read, hashLeaf)) faults.push(`${code} at ${seq}`)
    await clickHouse.close()
    return faults
  } finally {
    await engine.close()
    await log.close()
  }
}
