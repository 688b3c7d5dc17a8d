import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { sampleStream } from '../../infra/sample-stream.ts'
import { cliMain, type Serving, serve } from '../../infra/serve.ts'
import { openEmbeddedReader } from '../../src/log/embedded/open.ts'
import { copyFolder } from '../../src/service/backup.ts'
import { noEngine } from '../query/folders.ts'

const run = promisify(execFile)
const quiet = { AEP_LEDGER_SEARCH: 'off', AEP_LEDGER_LOG_LEVEL: 'error' }

const linesOf = (seed: number, count: number): string =>
  [...sampleStream({ seed, events: count, startMs: Date.now() - 60_000, source: `urn:backup:${seed}` })]
    .map(event => JSON.stringify(event))
    .join('\n')

interface Item {
  readonly status: string
  readonly seq: number
  readonly leaf_hash: string
}

async function send(serving: Serving, body: string): Promise<readonly Item[]> {
  const response = await fetch(`${serving.url}/v1/ledgers/default/events`, {
    method: 'POST',
    headers: { authorization: `Bearer ${serving.token}`, 'content-type': 'application/x-ndjson' },
    body,
  })
  assert.equal(response.status, 201)
  return ((await response.json()) as { items: Item[] }).items
}

describe('a backup', () => {
  it('that meets a rotation of keys restores to a ledger that can sign', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'aep-ledger-backup-'))
    const data = join(dir, 'data')
    const copy = join(dir, 'copy')
    const serving = await serve(data, quiet)
    const reader = await openEmbeddedReader(data)
    try {
      const rotatedAfter = async (folder: string): Promise<void> => {
        await reader.backup(folder)
        const headers = { authorization: `Bearer ${serving.token}` }
        const { status } = await fetch(`${serving.url}/v1/keys/rotate`, { method: 'POST', headers })
        assert.equal(status, 201)
      }
      await copyFolder({ backup: rotatedAfter }, data, copy)
      await serving.stop()
      const restored = await serve(copy, quiet)
      try {
        assert.equal(restored.token, serving.token)
        assert.ok((await send(restored, linesOf(1, 10))).every(item => item.status === 'created'))
      } finally {
        await restored.stop()
      }
      for (const file of ['origin', 'admin.token', 'keys']) {
        assert.equal(statSync(join(copy, file)).mode & 0o077, 0, file)
      }
    } finally {
      await reader.close()
      await serving.stop()
      rmSync(dir, { recursive: true, force: true })
    }
  })

  it('is made while events come in, restores to a service that goes on, and verifies to what was there', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'aep-ledger-backup-'))
    const data = join(dir, 'data')
    const copy = join(dir, 'copy')
    const first = linesOf(1, 500)
    const serving = await serve(data, quiet)
    try {
      const before = await send(serving, first)
      let more = true
      const load = (async () => {
        for (let seed = 2; more; seed++) await send(serving, linesOf(seed, 100))
      })()
      await run(process.execPath, [cliMain, 'backup', copy, '--data-dir', data])
      more = false
      await load
      const { stdout: keys } = await run(process.execPath, [cliMain, 'keys', 'export', copy])
      await serving.stop()

      for (const name of readdirSync(join(copy, 'keys')))
        assert.equal(statSync(join(copy, 'keys', name)).mode & 0o077, 0)
      const restored = await serve(copy, quiet)
      try {
        const again = await send(restored, first)
        assert.deepEqual(
          again.map(({ seq, leaf_hash }) => [seq, leaf_hash]),
          before.map(({ seq, leaf_hash }) => [seq, leaf_hash]),
        )
        assert.ok(again.every(item => item.status === 'duplicate'))
        assert.ok((await send(restored, linesOf(99, 10))).every(item => item.status === 'created'))
      } finally {
        await restored.stop()
      }
      const last = before.at(-1)
      const { key_id, public_hex } = (JSON.parse(keys) as { keys: [{ key_id: string; public_hex: string }] }).keys[0]
      const file = join(dir, 'keys.json')
      writeFileSync(file, JSON.stringify([{ key_id, public_hex }]))
      // Ends with 0, or rejects.
      await run(process.execPath, [
        cliMain,
        'verify',
        copy,
        '--keys',
        file,
        '--head',
        `${last?.seq}:${last?.leaf_hash}`,
        '-o',
        'json',
      ])
    } finally {
      await serving.stop()
      rmSync(dir, { recursive: true, force: true })
    }
  })

  it('put beside the rows of search that it lost entries of, shows none of them', { skip: noEngine }, async () => {
    const dir = mkdtempSync(join(tmpdir(), 'aep-ledger-backup-'))
    const data = join(dir, 'data')
    const copy = join(dir, 'copy')
    const loud = { AEP_LEDGER_LOG_LEVEL: 'warn' }
    const idsFound = async (serving: Serving): Promise<readonly string[]> => {
      for (let tries = 0; tries < 200; tries++) {
        const headers = { authorization: `Bearer ${serving.token}` }
        const answer = await fetch(`${serving.url}/v1/ledgers/default/events?limit=1000`, { headers })
        const page = (await answer.json()) as { complete?: boolean; items: { entry: { event: { id: string } } }[] }
        if (page.complete === true) return page.items.map(({ entry }) => entry.event.id).sort()
        await sleep(100)
      }
      return assert.fail('search did not become complete')
    }
    let serving = await serve(data, loud)
    try {
      await send(serving, linesOf(1, 50))
      await run(process.execPath, [cliMain, 'backup', copy, '--data-dir', data])
      const kept = await idsFound(serving)
      await send(serving, linesOf(2, 50))
      assert.equal((await idsFound(serving)).length, 101)
      await serving.stop()
      rmSync(join(data, 'log'), { recursive: true })
      renameSync(join(copy, 'log'), join(data, 'log'))

      serving = await serve(data, loud)
      assert.deepEqual(await idsFound(serving), kept)
      assert.match(serving.log(), /search rows were not of this log/)
      await send(serving, linesOf(3, 80))
      assert.equal((await idsFound(serving)).length, 131)
    } finally {
      await serving.stop()
      rmSync(dir, { recursive: true, force: true })
    }
  })
})
