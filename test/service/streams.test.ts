import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { cliMain, repository, type Serving, serve } from '../../infra/serve.ts'
import { conformanceDir, conformanceSkip } from '../support/conformance.ts'

/** Real input, the way a gateway's operator would send it: every stream through the CLI into a running service. */

interface LeaseSummary {
  readonly leaseId: string
  readonly principalHash: string
  readonly serverId: string
  readonly invocationCount: number
  readonly maxInvocations?: number
  readonly expiresAt: string
  readonly status_at_end: string
}

interface StreamSummary {
  readonly lines: number
  readonly end_ms: number
  readonly leases: readonly LeaseSummary[]
}

interface LeaseAnswer {
  readonly lease_id: string
  readonly principal_hash: string
  readonly server_id: string
  readonly status: string
  readonly invocation_count: number
  readonly max_invocations: number | null
  readonly expires_at: string
}

const skip = conformanceSkip

describe('the gateway streams of the conformance set', { skip }, () => {
  const dir = mkdtempSync(join(tmpdir(), 'aep-ledger-streams-'))
  let serving: Serving

  const run = async (args: readonly string[]): Promise<{ code: number | null; out: string; err: string }> => {
    const env = { ...process.env, AEP_LEDGER_URL: serving.url, AEP_LEDGER_TOKEN: serving.token }
    const child = spawn(process.execPath, [cliMain, ...args], {
      cwd: repository,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let out = ''
    let err = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text))
    return { code: await new Promise(resolve => child.on('close', resolve)), out, err }
  }

  const get = async (path: string): Promise<{ items: LeaseAnswer[]; next: string | null }> => {
    const response = await fetch(serving.url + path, { headers: { authorization: `Bearer ${serving.token}` } })
    assert.equal(response.status, 200, path)
    return (await response.json()) as { items: LeaseAnswer[]; next: string | null }
  }

  async function leasesAt(ledger: string, at: number): Promise<LeaseAnswer[]> {
    const all: LeaseAnswer[] = []
    for (let cursor = ''; ; ) {
      const { items, next } = await get(`/v1/ledgers/${encodeURIComponent(ledger)}/leases?at=${at}&limit=1000${cursor}`)
      all.push(...items)
      if (next === null) return all
      cursor = `&cursor=${encodeURIComponent(next)}`
    }
  }

  before(async () => {
    serving = await serve(join(dir, 'data'), { AEP_LEDGER_LOG_LEVEL: 'error' })
  })
  after(async () => {
    assert.equal(await serving.stop(), 0)
    rmSync(dir, { recursive: true, force: true })
  })

  const folder = join(conformanceDir, 'gateway')
  const names = skip === false ? readdirSync(folder).filter(name => name.endsWith('.jsonl')) : []
  const summary: Record<string, StreamSummary> =
    skip === false ? JSON.parse(readFileSync(join(folder, 'summary.json'), 'utf8')) : {}

  for (const name of names) {
    const ledger = `streams/${basename(name, '.jsonl')}`
    const expected = summary[`gateway/${name}`]
    it(`${name}: every line is kept, and every lease ends as the summary says`, async () => {
      assert.ok(expected !== undefined)
      const made = await fetch(`${serving.url}/v1/ledgers`, {
        method: 'POST',
        headers: { authorization: `Bearer ${serving.token}`, 'content-type': 'application/json' },
        body: JSON.stringify({ name: ledger }),
      })
      assert.equal(made.status, 201)
      const emit = ['emit', join(folder, name), '--format', 'wasmagent', '--ledger', ledger, '-o', 'json']
      const first = await run(emit)
      assert.equal(first.code, 0, first.err)
      assert.equal(JSON.parse(first.out).created, expected.lines)
      const again = await run(emit)
      assert.equal(again.code, 0, again.err)
      assert.deepEqual([JSON.parse(again.out).created, JSON.parse(again.out).duplicate], [0, expected.lines])

      const found = (await leasesAt(ledger, expected.end_ms)).map(lease => [
        lease.lease_id,
        lease.principal_hash,
        lease.server_id,
        lease.invocation_count,
        lease.max_invocations,
        lease.expires_at,
        lease.status,
      ])
      const due = expected.leases.map(lease => [
        lease.leaseId,
        lease.principalHash,
        lease.serverId,
        lease.invocationCount,
        lease.maxInvocations ?? null,
        lease.expiresAt,
        lease.status_at_end,
      ])
      assert.deepEqual(found.sort(), due.sort())
    })
  }

  it('leave ledgers that verify, while the service runs', async () => {
    const keys = await run(['keys', 'export'])
    assert.equal(keys.code, 0, keys.err)
    writeFileSync(join(dir, 'keys.json'), keys.out)
    const verified = await run(['verify', join(dir, 'data'), '--keys', join(dir, 'keys.json'), '-o', 'json'])
    assert.equal(verified.code, 0, verified.out + verified.err)
  })
})
