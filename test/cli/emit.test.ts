import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { cli, inFolder, type Ran, stackLine } from './run.ts'
import { type Asked, breakOff, type Handler, json, problem, type Stub, withStub } from './stub.ts'

const event = (n: number, more: object = {}) => ({
  specversion: '1.0',
  id: `e${n}`,
  source: 'urn:g',
  type: 'aep.decision',
  data: { decision: 'allow' },
  ...more,
})
const lines = (count: number) => Array.from({ length: count }, (_, n) => JSON.stringify(event(n + 1)))
const hash = 'ab'.repeat(32)
const idsOf = ({ body }: Asked): string[] =>
  body
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line).id)

/** A ledger that keeps ids in memory: `created` the first time, `duplicate` from then on. */
function ledger(before: Handler = () => undefined): Handler & { readonly kept: string[] } {
  const kept: string[] = []
  const handler: Handler = (asked, answer) => {
    void before(asked, answer)
    if (answer.writableEnded) return
    const items = idsOf(asked).map(id => {
      const at = kept.indexOf(id)
      const seq = at < 0 ? kept.push(id) - 1 : at
      const place = {
        seq,
        leaf_hash: hash,
        recorded_at: '2026-01-01T00:00:00.000Z',
        key_id: 'k',
        signature: `${'A'.repeat(86)}==`,
      }
      return { id, source: 'urn:g', status: at < 0 ? 'created' : 'duplicate', ...place }
    })
    json(answer, { items }, 201)
  }
  return Object.assign(handler, { kept })
}

const emit = (service: Stub, input: string, ...args: string[]): Promise<Ran> =>
  cli(['emit', '-', '--url', service.url, ...args], { input, env: { AEP_LEDGER_TOKEN: 'secret' } })

describe('aep-ledger emit', () => {
  it('sends every event in order, as it came, in batches of 500 at most', async () => {
    const handler = ledger()
    await withStub(handler, async service => {
      const spaced = JSON.stringify(event(0), null, 1).replaceAll('\n', ' ')
      const { code, out, err } = await emit(service, [spaced, ...lines(1200), ''].join('\n'), '--ledger', 'acme/prod')
      assert.equal(err, '')
      assert.equal(code, 0)
      assert.match(out, /^acme\/prod: 1,201 created · 0 duplicates · 0 conflicts · 0 refused/)
      assert.ok(service.asked.every(asked => idsOf(asked).length <= 500))
      assert.deepEqual(
        handler.kept,
        Array.from({ length: 1201 }, (_, n) => `e${n}`),
      )
      const [first] = service.asked
      assert.ok(first?.body.startsWith(`${spaced}\n`))
      assert.equal(first?.path, '/v1/ledgers/acme%2Fprod/events')
      assert.equal(first?.headers.authorization, 'Bearer secret')
      assert.equal(first?.headers['content-type'], 'application/x-ndjson')
    })
  })

  it('run again yields duplicates and exit 0', async () => {
    await withStub(ledger(), async service => {
      const input = lines(3).join('\n')
      await emit(service, input)
      const { code, out } = await emit(service, input, '-o', 'json')
      assert.equal(code, 0)
      const { created, duplicate, last_seq } = JSON.parse(out)
      assert.deepEqual([created, duplicate, last_seq], [0, 3, 2])
    })
  })

  it('tries again while the service is busy, not before Retry-After', async () => {
    const refusals = [503, 429]
    let refusedAtMs = 0
    let waitedMs = Number.POSITIVE_INFINITY
    const handler = ledger((_, answer) => {
      if (refusedAtMs > 0) waitedMs = Math.min(waitedMs, performance.now() - refusedAtMs)
      const status = refusals.shift()
      if (status === undefined) return
      refusedAtMs = performance.now()
      problem(answer, status, status === 503 ? 'overloaded' : 'rate-limited', {}, { 'retry-after': '1' })
    })
    await withStub(handler, async service => {
      const { code, err } = await emit(service, `${lines(2).join('\n')}\n`)
      assert.equal(code, 0)
      assert.match(err, /It is overloaded\. Trying again in/)
      assert.equal(service.asked.length, 3)
      assert.deepEqual(handler.kept, ['e1', 'e2'])
      assert.ok(waitedMs > 990, `${waitedMs} ms`)
    })
  })

  it('sends again what it got half an answer to, and says 75 when there is no more', async () => {
    const whole = ledger()
    const broken: Handler = (asked, answer) => {
      if (idsOf(asked).some(id => !whole.kept.includes(id))) {
        whole.kept.push(...idsOf(asked))
        return breakOff(answer, '{"items":[')
      }
      return whole(asked, answer)
    }
    await withStub(broken, async service => {
      const { code, out, err } = await emit(service, lines(3).join('\n'))
      assert.match(err, /broke off in its answer/)
      assert.match(out, /3 duplicates/)
      assert.equal(code, 0)
    })
    await withStub(
      (_, answer) => breakOff(answer, '{'),
      async service => {
        const { code, err } = await emit(service, lines(1).join('\n'), '--tries', '2')
        assert.equal(code, 75)
        assert.equal(service.asked.length, 2)
        assert.doesNotMatch(err, stackLine)
        assert.doesNotMatch(err, /defect/)
      },
    )
  })

  it('gives up after the tries it was given, and ends with 75', async () => {
    const busy: Handler = (_, answer) => problem(answer, 503, 'overloaded')
    await withStub(busy, async service => {
      const { code, err } = await emit(service, lines(1).join('\n'), '--tries', '2')
      assert.equal(code, 75)
      assert.equal(service.asked.length, 2)
      assert.doesNotMatch(err, stackLine)
    })
  })

  it('ends with 75 where nobody answers, and says how to change that', async () => {
    const gone = await withStub(ledger(), service => Promise.resolve(service))
    const { code, err } = await emit(gone, lines(1).join('\n'), '--tries', '1')
    assert.equal(code, 75)
    assert.match(err, /Nobody answers at http:\/\/127.*\n.*aep-ledger serve/)
  })

  it('names the lines that are no events, sends the others, and ends with 10', async () => {
    const handler = ledger()
    await withStub(handler, async service => {
      const [a, b, c] = lines(3)
      const bad = [a, '{"half":', b, JSON.stringify(event(9, { data: { decision: 'maybe' } })), '', '\u0000', c].join(
        '\n',
      )
      const { code, out, err } = await emit(service, bad)
      assert.equal(code, 10)
      assert.match(out, /3 created .* 3 refused/)
      assert.match(err, /line 2: refused: .*\n {2}line 4: refused: \/data\/decision .*\n {2}line 6: refused/)
      assert.deepEqual(handler.kept, ['e1', 'e2', 'e3'])
    })
  })

  it('finds the event that the service refuses among many, and sends all others in order', async () => {
    const refuses = ['e7', 'e300']
    const handler = ledger((asked, answer) => {
      if (idsOf(asked).some(id => refuses.includes(id))) {
        problem(answer, 400, 'invalid-event', { errors: [{ pointer: '/0/data', detail: 'is odd' }] })
      }
    })
    await withStub(handler, async service => {
      const { code, out } = await emit(service, lines(400).join('\n'), '-o', 'json')
      assert.equal(code, 10)
      const { created, refused, troubles } = JSON.parse(out)
      assert.deepEqual([created, refused], [398, 2])
      assert.deepEqual(
        troubles.map(({ line, status }: { line: number; status: string }) => [line, status]),
        [
          [7, 'refused'],
          [300, 'refused'],
        ],
      )
      const rest = Array.from({ length: 400 }, (_, n) => `e${n + 1}`).filter(id => !refuses.includes(id))
      assert.deepEqual(handler.kept, rest)
    })
  })

  it('names conflicts with their lines, and ends with 10', async () => {
    const conflicts: Handler = (asked, answer) =>
      json(
        answer,
        { items: idsOf(asked).map(id => ({ id, source: 'urn:g', status: 'conflict', seq: 4, leaf_hash: hash })) },
        201,
      )
    await withStub(conflicts, async service => {
      const { code, err } = await emit(service, lines(1).join('\n'))
      assert.equal(code, 10)
      assert.match(err, /line 1: conflict: urn:g e1 is at seq 4/)
    })
  })

  it('reads the streams of the WasmAgent gateway', async () => {
    const handler = ledger()
    await withStub(handler, async service => {
      const line = {
        n: 0,
        t: 1788772412574,
        type: 'scope_lease',
        op: 'used',
        valid: true,
        data: { leaseId: 'l1', principalHash: '0123456789abcdef' },
      }
      const { code, err } = await emit(service, `${JSON.stringify(line)}\nnot json\n`, '--format', 'wasmagent')
      assert.equal(code, 10)
      assert.match(err, /line 2: refused/)
      const [asked] = service.asked
      const sent = JSON.parse(asked?.body ?? '')
      assert.match(sent.source, /^urn:wasmagent:stream:/)
      assert.match(sent.id, /^[0-9a-f]{64}$/)
    })
  })

  it('keeps receipts that verify takes', async () => {
    await inFolder(async dir => {
      const receipts = join(dir, 'receipts.ndjson')
      const file = join(dir, 'events.ndjson')
      writeFileSync(file, lines(2).join('\r\n'))
      await withStub(ledger(), async service => {
        const { code } = await cli(['emit', file, '--url', service.url, '--receipts', receipts])
        assert.equal(code, 0)
      })
      const kept = readFileSync(receipts, 'utf8')
        .trimEnd()
        .split('\n')
        .map(line => JSON.parse(line))
      assert.deepEqual(
        kept.map(({ ledger, id, seq, leaf_hash }) => [ledger, id, seq, leaf_hash]),
        [
          ['default', 'e1', 0, hash],
          ['default', 'e2', 1, hash],
        ],
      )
    })
  })

  it('says what a refusal of the whole request means', async () => {
    const closed: Handler = (_, answer) => problem(answer, 401, 'unauthenticated')
    await withStub(closed, async service => {
      const { code, err } = await emit(service, lines(1).join('\n'))
      assert.equal(code, 2)
      assert.match(err, /It is unauthenticated\.\n {2}The token was taken from AEP_LEDGER_TOKEN/)
    })
    const strange: Handler = (_, answer) => void answer.writeHead(200, { 'content-type': 'text/html' }).end('<html>')
    await withStub(strange, async service => {
      const { code, err } = await emit(service, lines(1).join('\n'))
      assert.equal(code, 11)
      assert.match(err, /answered in a form that is not known here/)
      assert.doesNotMatch(err, stackLine)
    })
  })
})
