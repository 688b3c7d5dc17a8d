import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { sampleStream } from '../../infra/sample-stream.ts'
import { fromHex } from '../../src/base/bytes.ts'
import { nodeSuite } from '../../src/crypto/node.ts'
import type { readEntry } from '../../src/ledger/decode.ts'
import { openEmbedded, openEmbeddedReader } from '../../src/log/embedded/open.ts'
import { LogInUse } from '../../src/log/port.ts'
import { type Config, loadConfig } from '../../src/service/config.ts'
import { type Service, startService } from '../../src/service/start.ts'
import { stateView } from '../../src/service/state-rows.ts'
import { rebuildState } from '../../src/service/state-view.ts'
import { judgeHere } from '../../src/verify/judge.ts'
import { verifyLedger } from '../../src/verify/verify.ts'

function configOf(env: Record<string, string>): Config {
  const result = loadConfig({ AEP_LEDGER_PORT: '0', AEP_LEDGER_LOG_LEVEL: 'fatal', AEP_LEDGER_SEARCH: 'off', ...env })
  if (!result.ok) throw new Error(result.errors.join('\n'))
  return result.config
}

const tokenIn = (dir: string): string => readFileSync(join(dir, 'admin.token'), 'utf8').trim()

interface Answer {
  readonly status: number
  readonly body: Record<string, unknown> & { readonly items?: readonly Record<string, unknown>[] }
}

async function call(
  url: string,
  token: string,
  path: string,
  body?: unknown,
  contentType = 'application/json',
): Promise<Answer> {
  const response = await fetch(url + path, {
    headers: { authorization: `Bearer ${token}`, ...(body !== undefined && { 'content-type': contentType }) },
    ...(body !== undefined && { method: 'POST', body: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
  const text = await response.text()
  return { status: response.status, body: text === '' ? {} : (JSON.parse(text) as Answer['body']) }
}

const events = (seed: number, count: number): string =>
  [...sampleStream({ seed, events: count, startMs: Date.parse('2026-11-01T00:00:00Z'), source: `urn:test:${seed}` })]
    .map(event => JSON.stringify(event))
    .join('\n')

/** Verifies the folder's ledger against the key that signed it first. */
async function verdictOf(dir: string, keyId: string, publicHex: string, head?: { seq: number; leafHash: string }) {
  const ledger = 'default'
  const reader = await openEmbeddedReader(dir)
  try {
    const source = {
      ledger,
      name: dir,
      record: (digest: string) => reader.record(digest),
      async *entries(from: number) {
        for (let next = from; ; ) {
          const batch = await reader.read(ledger, next, 1000)
          if (batch.length === 0) return
          yield batch
          next += batch.length
        }
      },
    }
    const keys = [{ keyId, publicKey: fromHex(publicHex) ?? new Uint8Array() }]
    const trust = { keys, ...(head !== undefined && { head }) }
    const findings: string[] = []
    const run = verifyLedger(source, trust, { suite: nodeSuite, judge: judgeHere(nodeSuite) })
    for (;;) {
      const step = await run.next()
      if (step.done) return { report: step.value, findings }
      findings.push(`${step.value.seq} ${step.value.code}`)
    }
  } finally {
    await reader.close()
  }
}

describe('a service on an empty folder', () => {
  const dir = mkdtempSync(join(tmpdir(), 'aep-ledger-start-'))
  const data = join(dir, 'data')
  let service: Service
  let token = ''
  let firstKey: Record<string, unknown> = {}
  const post = (path: string, body: unknown, contentType?: string): Promise<Answer> =>
    call(service.url, token, path, body, contentType)
  const get = (path: string): Promise<Answer> => call(service.url, token, path)

  before(async () => {
    service = await startService(configOf({ AEP_LEDGER_DATA_DIR: data }))
    token = tokenIn(data)
  })
  after(async () => {
    await service.close()
    rmSync(dir, { recursive: true, force: true })
  })

  it('makes a key, an origin, an admin token that only its owner reads, and the ledger `default`', async () => {
    assert.equal(service.adminToken, join(data, 'admin.token'))
    assert.equal(statSync(join(data, 'admin.token')).mode & 0o777, 0o600)
    const keys = (await get('/v1/ledgers/default/keys')).body as { keys?: Record<string, unknown>[] }
    firstKey = keys.keys?.[0] ?? {}
    assert.equal(firstKey['from_seq'], 0)
    const { body } = await get('/v1/ledgers/default/entries?limit=1')
    const entry = body.items?.[0]?.['entry'] as { event: { type: string; data: { origin: string } } }
    assert.equal(entry.event.type, 'aep.ledger.created')
    assert.match(entry.event.data.origin, /^ledger-[0-9a-f]{16}\.invalid\/default$/)
  })

  it('refuses a second service on the folder, naming the holder, and leaves the first alone', async () => {
    await assert.rejects(
      startService(configOf({ AEP_LEDGER_DATA_DIR: data })),
      (error: unknown) => error instanceof LogInUse && error.holder.includes(String(process.pid)),
    )
    assert.equal((await get('/readyz')).status, 200)
  })

  it('places events, answers them again as duplicates, and writes down a conflict by its digest', async () => {
    const first = await post('/v1/ledgers/default/events', events(1, 500), 'application/x-ndjson')
    assert.equal(first.status, 201)
    assert.ok(first.body.items?.every((item, n) => item['status'] === 'created' && item['seq'] === n + 1))
    const again = await post('/v1/ledgers/default/events', events(1, 500), 'application/x-ndjson')
    assert.deepEqual(
      again.body.items,
      first.body.items?.map(item => ({ ...item, status: 'duplicate' })),
    )
    const [line = ''] = events(1, 1).split('\n')
    const other = { ...(JSON.parse(line) as object), time: '2026-12-01T00:00:00Z' }
    assert.equal((await post('/v1/ledgers/default/events', other, 'application/cloudevents+json')).status, 409)
    for (let tries = 0; tries < 50; tries++) {
      const { body } = await get('/v1/ledgers/default/entries?from=501')
      const entry = body.items?.[0]?.['entry'] as { event: { type: string; data: object } } | undefined
      if (entry === undefined) continue
      assert.equal(entry.event.type, 'aep.ledger.conflict')
      assert.ok(!JSON.stringify(entry.event.data).includes('decision'))
      const scraped = await (await fetch(`${service.url}/metrics`)).text()
      assert.match(scraped, /^aep_ledger_conflicts_total\{ledger="default"\} 1$/m)
      for (const role of ['http', 'sequencer', 'follower'])
        assert.ok(scraped.includes(`aep_ledger_role{role="${role}"} 1\n`))
      assert.match(scraped, /^aep_ledger_head_seq\{ledger="default"\} 501$/m)
      assert.match(scraped, /^aep_ledger_view_position\{view="state",ledger="default"\} \d+$/m)
      return
    }
    assert.fail('no conflict was written')
  })

  it('has nothing at a seq that no ledger reaches, and no keys of a ledger that there is not', async () => {
    for (const seq of [281_474_976_710_655, 281_474_976_710_656, 281_474_976_710_657, Number.MAX_SAFE_INTEGER]) {
      const { status, body } = await get(`/v1/ledgers/default/entries/${seq}`)
      assert.deepEqual([status, body['code']], [404, 'not-found'], `${seq}`)
      assert.deepEqual((await get(`/v1/ledgers/default/entries?from=${seq}`)).body.items, [])
    }
    const { status, body } = await get('/v1/ledgers/nowhere/keys')
    assert.deepEqual([status, body['code']], [404, 'ledger-unknown'])
  })

  it('lets nobody else speak under its own source', async () => {
    const { body } = await get('/v1/ledgers/default/entries?limit=1')
    const genesis = body.items?.[0]?.['entry'] as { event: { source: string } } | undefined
    const source = genesis?.event.source
    const forged = { specversion: '1.0', id: 'conflict-0-0', source, type: 'aep.gap', data: { count: 1 } }
    const answer = await post('/v1/ledgers/default/events', forged, 'application/cloudevents+json')
    assert.equal(answer.status, 400)
    assert.match(JSON.stringify(answer.body), /source of the ledger itself/)
  })

  it('rotates the key: the old one signs for the new, and is gone from the disk', async () => {
    const rotated = await post('/v1/keys/rotate', {})
    assert.equal(rotated.status, 201, JSON.stringify(rotated.body))
    const keyId = String(rotated.body['key_id'])
    assert.deepEqual(readdirSync(join(data, 'keys')), [`${keyId}.json`])
    const placed = await post('/v1/ledgers/default/events', events(2, 50), 'application/x-ndjson')
    assert.ok(placed.body.items?.every(item => item['key_id'] === keyId))
    const { report, findings } = await verdictOf(data, String(firstKey['key_id']), String(firstKey['public_hex']))
    assert.equal(report.verdict, 'verified', JSON.stringify(findings.slice(0, 5)))
  })

  it('revokes a key that was stolen, so that verifiers ask for a pinned head behind what it may have signed', async () => {
    const keyId = String(firstKey['key_id'])
    const { keys } = (await get('/v1/ledgers/default/keys')).body as { keys?: Record<string, unknown>[] }
    const now = String(keys?.at(-1)?.['key_id'])
    const head = Number(((await get('/v1/ledgers/default')).body['head'] as { seq: number }).seq)
    const revoke = (id: string, since: number, ledger = 'default') =>
      post(`/v1/ledgers/${ledger}/keys/${id}/revoke`, { compromised_since_seq: since, reason: 'stolen' })

    assert.equal((await revoke('nobody', 3)).body['code'], 'not-found')
    assert.equal((await revoke(keyId, 3, 'nowhere')).body['code'], 'ledger-unknown')
    assert.match(JSON.stringify((await revoke(now, 3)).body), /rotate the key first/)
    assert.match(JSON.stringify((await revoke(keyId, head + 1)).body), /a seq that is there/)
    const revoked = await revoke(keyId, 400)
    assert.equal(revoked.status, 201, JSON.stringify(revoked.body))
    assert.deepEqual(revoked.body, { key_id: keyId, seq: head + 1, compromised_since_seq: 400 })
    assert.match(JSON.stringify((await revoke(keyId, 450)).body), /revoked since then already/)

    const inDoubt = await verdictOf(data, keyId, String(firstKey['public_hex']))
    assert.ok(inDoubt.findings.includes(`${head + 1} key-compromised`))
    assert.equal(inDoubt.report.verdict, 'incomplete')
    const { body } = await get(`/v1/ledgers/default/entries/${head}`)
    const pinned = { seq: head, leafHash: String(body['leaf_hash']) }
    const vouched = await verdictOf(data, keyId, String(firstKey['public_hex']), pinned)
    assert.equal(vouched.report.verdict, 'verified', JSON.stringify(vouched.findings))
    assert.equal((await post('/v1/ledgers/default/events', events(20, 5), 'application/x-ndjson')).status, 201)
  })

  it('judges an emitter by the keys that are registered when the event comes', async () => {
    const seed = nodeSuite.sha256(new TextEncoder().encode('an emitter'))
    const key = { key_id: 'gw-1', public_hex: Buffer.from(nodeSuite.publicKey(seed)).toString('hex') }
    assert.ok((await post('/v1/ledgers/default/emitters', { ...key, sources: [] })).status < 300)
    const signed = {
      specversion: '1.0',
      id: 'signed-1',
      source: 'urn:g',
      type: 'aep.gap',
      data: { count: 1 },
      emitterkeyid: 'gw-1',
      emittersig: Buffer.alloc(64).toString('base64'),
    }
    const placed = await post('/v1/ledgers/default/events', signed, 'application/cloudevents+json')
    assert.equal(placed.status, 201, JSON.stringify(placed.body))
    const { body } = await get(`/v1/ledgers/default/entries/${placed.body.items?.[0]?.['seq']}`)
    assert.equal((body['entry'] as { intake: { emitter_sig: string } }).intake.emitter_sig, 'invalid')
  })

  it('goes on where it was after a restart, with the same token, key and leases', async () => {
    const before = (await get('/v1/ledgers/default/leases?limit=1000')).body.items
    const head = (await get('/v1/ledgers/default')).body
    await service.close()
    service = await startService(configOf({ AEP_LEDGER_DATA_DIR: data }))
    assert.equal(service.adminToken, undefined)
    assert.ok((before?.length ?? 0) > 10)
    assert.deepEqual((await get('/v1/ledgers/default')).body, head)
    assert.deepEqual((await get('/v1/ledgers/default/leases?limit=1000')).body.items, before)
    const placed = await post('/v1/ledgers/default/events', events(3, 5), 'application/x-ndjson')
    assert.ok(placed.body.items?.every(item => item['status'] === 'created'))
  })

  it('keeps views that equal a rebuild from nothing, byte for byte', async () => {
    await service.close()
    const log = await openEmbedded(data)
    try {
      const kept = log.views.dump(stateView, 'default')
      await rebuildState(log, log.views)
      assert.equal(log.views.dump(stateView, 'default'), kept)
      assert.equal(log.views.position(stateView, 'default'), (await log.head('default'))?.seq)
    } finally {
      await log.close()
    }
    rmSync(join(data, 'views'), { recursive: true })
    service = await startService(configOf({ AEP_LEDGER_DATA_DIR: data }))
    assert.equal((await get('/readyz')).status, 200)
  })

  it('never says a secret in its files but the one that is for it', async () => {
    for (const name of readdirSync(join(data, 'log'))) {
      assert.ok(!readFileSync(join(data, 'log', name)).includes(token), name)
    }
  })
})

describe('a configured service', () => {
  it('takes the tokens and the key it is given, and writes none down', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'aep-ledger-configured-'))
    try {
      const env = {
        AEP_LEDGER_DATA_DIR: dir,
        AEP_LEDGER_ADMIN_TOKEN: 'the-token-of-the-environment',
        AEP_LEDGER_METRICS_TOKEN: 'the-token-of-who-scrapes',
        AEP_LEDGER_LEDGER_KEY: '01'.repeat(32),
        AEP_LEDGER_ORIGIN: 'ledger.example',
      }
      const service = await startService(configOf(env))
      const { status, body } = await call(service.url, env.AEP_LEDGER_ADMIN_TOKEN, '/v1/ledgers/default/entries')
      const scrape = (token: string) =>
        fetch(`${service.url}/metrics`, {
          headers: { authorization: `Bearer ${token}`, 'x-forwarded-for': '10.0.0.1' },
        })
      const scraped = [await scrape(env.AEP_LEDGER_METRICS_TOKEN), await scrape('another')].map(({ status }) => status)
      await service.close()
      assert.equal(status, 200)
      assert.deepEqual(scraped, [200, 401])
      assert.equal(existsSync(join(dir, 'admin.token')), false)
      assert.deepEqual(readdirSync(join(dir, 'keys')), [])
      const entry = body.items?.[0]?.['entry'] as ReturnType<typeof readEntry>
      assert.ok(entry.event.type === 'aep.ledger.created')
      assert.equal(entry.event.data.origin, 'ledger.example/default')
      assert.equal(
        entry.event.data.key.public_hex,
        Buffer.from(nodeSuite.publicKey(new Uint8Array(32).fill(1))).toString('hex'),
      )
    } finally {
      rmSync(dir, { recursive: true, force: true })
    }
  })

  it('takes the admin token of its environment until the next start, which makes one where nobody rules all', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'aep-ledger-token-'))
    const starting = (env: Record<string, string>) => startService(configOf({ AEP_LEDGER_DATA_DIR: dir, ...env }))
    const statusOf = async (service: Service, token: string) => (await call(service.url, token, '/v1/tokens')).status
    try {
      const given = 'the-token-of-the-environment'
      const first = await starting({ AEP_LEDGER_ADMIN_TOKEN: given })
      const narrow = await call(first.url, given, '/v1/tokens', { role: 'admin', ledgers: ['default'] })
      assert.equal(narrow.status, 201)
      await first.close()
      const second = await starting({})
      assert.equal(second.adminToken, join(dir, 'admin.token'))
      assert.equal(await statusOf(second, given), 401)
      assert.equal(await statusOf(second, tokenIn(dir)), 200)
      await second.close()
      const third = await starting({ AEP_LEDGER_ADMIN_TOKEN: 'another-token-of-the-environment' })
      const statuses = [given, 'another-token-of-the-environment', tokenIn(dir)].map(token => statusOf(third, token))
      assert.deepEqual(await Promise.all(statuses), [401, 200, 200])
      await third.close()
    } finally {
      rmSync(dir, { recursive: true, force: true })
    }
  })

  it('takes no entry over the size that it is given', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'aep-ledger-size-'))
    try {
      const env = { AEP_LEDGER_DATA_DIR: dir, AEP_LEDGER_ENTRY_BYTES_MAX: '4096' }
      const service = await startService(configOf(env))
      const post = (reason: string) => {
        const event = { specversion: '1.0', id: `gap-${reason.length}`, source: 'urn:g', type: 'aep.gap' }
        const body = { ...event, data: { count: 1, reason } }
        return call(service.url, tokenIn(dir), '/v1/ledgers/default/events', body, 'application/cloudevents+json')
      }
      const answers = [await post('x'.repeat(2000)), await post('x'.repeat(4000))]
      await service.close()
      assert.deepEqual(
        answers.map(({ status }) => status),
        [201, 413],
        JSON.stringify(answers),
      )
    } finally {
      rmSync(dir, { recursive: true, force: true })
    }
  })
})
