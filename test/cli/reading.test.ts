import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import type { Context } from '../../src/cli/context.ts'
import { openSource } from '../../src/cli/source/open.ts'
import { entryEnvelope } from '../../src/ledger/signature.ts'
import { readFrame } from '../../src/verify/frame.ts'
import type { SourceEntry } from '../../src/verify/port.ts'
import { created, decision, key, ledgerName, pinOf, sealed } from '../verify/support.ts'
import { cli, inFolder, stackLine } from './run.ts'
import { breakOff, type Handler, json, problem, withStub } from './stub.ts'

const entries = sealed([created(), ...Array.from({ length: 30 }, (_, n) => decision(n + 1))])
const head = pinOf(entries.at(-1))
const keysFile = { keys: [{ key_id: key.keyId, alg: 'ed25519', public_hex: key.publicHex, from_seq: 0 }] }
const envelope = (entry: SourceEntry) => JSON.stringify(entryEnvelope(entry, readFrame(entry.bytes)?.key_id ?? ''))
const entryOf = (entry: SourceEntry) => JSON.parse(new TextDecoder().decode(entry.bytes))
const path = `/v1/ledgers/${encodeURIComponent(ledgerName)}`
const state = {
  ledger: ledgerName,
  head: { seq: head.seq, leaf_hash: head.leafHash, recorded_at: '2026-01-01T00:00:00.030Z' },
}

/** What reading a source takes of the world. */
const contextOf = (cancelled: AbortSignal) => ({ env: {}, cancelled }) as Context

/** A service that has one ledger: its head, its entries as lines or as a stream that ends after five, its keys. */
const service: Handler = ({ path: asked, query, headers }, answer) => {
  if (asked === '/v1/ledgers') return json(answer, { items: [state] })
  if (asked === path) return json(answer, state)
  if (asked === `${path}/keys`) return json(answer, keysFile)
  if (asked !== `${path}/entries`) return problem(answer, 404, 'not-found')
  const from = Number(query.get('from') ?? 0)
  const to = Number(query.get('to') ?? entries.length)
  const wanted = entries.slice(from, to)
  if (headers.accept === 'text/event-stream') {
    answer.writeHead(200, { 'content-type': 'text/event-stream' })
    answer.write(': following\n\n')
    const told = wanted.slice(0, 5).map(entry => `id: ${entry.seq}\nevent: entry\ndata: ${envelope(entry)}\n\n`)
    return void answer.end(told.join(''))
  }
  answer.writeHead(200, { 'content-type': 'application/x-ndjson' })
  answer.end(wanted.map(entry => `${envelope(entry)}\n`).join(''))
}

describe('aep-ledger verify of a running service', () => {
  it('reads every entry over HTTP and verifies it', async () => {
    await inFolder(async dir => {
      const keys = join(dir, 'keys.json')
      writeFileSync(keys, JSON.stringify(keysFile))
      await withStub(service, async ({ url }) => {
        for (const ledger of [[], ['--ledger', ledgerName]]) {
          const { code, out, err } = await cli(['verify', url, '--keys', keys, ...ledger, '-o', 'json'])
          assert.equal(err, '')
          assert.equal(code, 0)
          assert.equal(JSON.parse(out).ledgers[0].entries, entries.length)
        }
      })
    })
  })

  it('makes no verdict of an answer that breaks off', async () => {
    const broken: Handler = (asked, answer) => {
      if (asked.path !== `${path}/entries`) return service(asked, answer)
      answer.writeHead(200, { 'content-type': 'application/x-ndjson' })
      answer.write(`${envelope(entries[0] as SourceEntry)}\n`)
      setTimeout(() => answer.destroy(), 100)
    }
    await withStub(broken, async ({ url }) => {
      const { code, out, err } = await cli(['verify', url])
      assert.equal(out, '')
      assert.equal(code, 75)
      assert.match(err, /broke off before the end of the ledger/)
      assert.doesNotMatch(err, stackLine)
    })
  })

  it('asks again for a record beside the log whose bytes break off', async () => {
    let asked = 0
    const broken: Handler = (request, answer) => {
      if (!request.path.endsWith('/record')) return service(request, answer)
      asked++
      return asked === 1 ? breakOff(answer, 'half') : void answer.writeHead(200).end('whole')
    }
    await withStub(broken, async ({ url }) => {
      const { sources } = await openSource(url, { ledger: ledgerName }, contextOf(new AbortController().signal))
      const record = await sources[0]?.record?.('ab'.repeat(32), 3)
      assert.equal(new TextDecoder().decode(record), 'whole')
      assert.equal(asked, 2)
    })
  })

  it('tells a service that serves fewer entries than its own head says', async () => {
    const short: Handler = (asked, answer) => {
      if (asked.path === `${path}/entries`) asked.query.set('to', '20')
      return service(asked, answer)
    }
    await withStub(short, async ({ url }) => {
      const { code, out } = await cli(['verify', url, '-o', 'json'])
      assert.equal(code, 10)
      assert.equal(JSON.parse(out).ledgers[0].first_bad_seq, 20)
    })
  })
})

describe('aep-ledger tail', () => {
  it('begins with the newest entries, and takes a lost stream up where it ended', async () => {
    await withStub(service, async ({ url, asked }) => {
      const { code, out, err } = await cli(['tail', '--url', url, '--ledger', ledgerName, '-n', '12', '--no-follow'])
      assert.equal(code, 0)
      const seqs = out
        .trimEnd()
        .split('\n')
        .map(line => JSON.parse(line).seq)
      assert.deepEqual(
        seqs,
        Array.from({ length: 12 }, (_, n) => 19 + n),
      )
      assert.match(err, /taking it up again/)
      const froms = asked.filter(one => one.path.endsWith('/entries')).map(one => one.query.get('from'))
      assert.deepEqual(froms, ['19', '24', '29'])
    })
  })

  it('shows a line an entry for people, and control characters as text', async () => {
    const [odd] = sealed([
      { ...decision(0, { data: { decision: 'deny', reasons: ['x'], target: { tool_name: 'rm\u001b[31m' } } }) },
    ])
    const one: Handler = (asked, answer) => {
      if (!asked.path.endsWith('/entries')) return service(asked, answer)
      answer.writeHead(200, { 'content-type': 'text/event-stream' })
      answer.end(`id: 0\ndata: ${envelope(odd as SourceEntry)}\n\n`)
    }
    await withStub(one, async ({ url }) => {
      const args = ['tail', '--url', url, '--ledger', ledgerName, '--from', '30', '--no-follow', '-o', 'text']
      const { out } = await cli(args, { onOutput: (_, kill) => kill('SIGINT') })
      assert.match(out, /^ {7}0 {2}2026-01-01 00:00:00\.000 {2}aep\.decision {10}deny unknown {2}rm\\u001b\[31m/)
    })
  })

  it('ends with 130 on Ctrl-C, quietly', async () => {
    const endless: Handler = (asked, answer) => {
      if (!asked.path.endsWith('/entries')) return service(asked, answer)
      answer.writeHead(200, { 'content-type': 'text/event-stream' })
      answer.write(`id: 30\ndata: ${envelope(entries[30] as SourceEntry)}\n\n`)
    }
    await withStub(endless, async ({ url }) => {
      const { code, err } = await cli(['tail', '--url', url, '--ledger', ledgerName], {
        onOutput: (_, kill) => kill('SIGINT'),
      })
      assert.equal(code, 130)
      assert.equal(err, '')
    })
  })

  it('ends without complaint when its reader goes away', async () => {
    await withStub(service, async ({ url }) => {
      const { code, err } = await cli(['tail', '--url', url, '--ledger', ledgerName, '--from', '0'], {
        closesOutput: true,
      })
      assert.equal(code, 0)
      assert.doesNotMatch(err, stackLine)
    })
  })
})

describe('aep-ledger query', () => {
  const hit = (n: number) => ({
    seq: n,
    leaf_hash: pinOf(entries[n]).leafHash,
    time: '2026-01-01T00:00:00.000Z',
    signature: `${'A'.repeat(86)}==`,
    entry: entryOf(entries[n] as SourceEntry),
  })
  const pages: Handler = ({ query }, answer) => {
    const last = query.get('cursor') === 'c2'
    json(answer, { items: [hit(last ? 1 : 2)], next: last ? null : 'c2', as_of: 30, complete: last })
  }

  it('passes every filter on under its HTTP name', async () => {
    await withStub(pages, async ({ url, asked }) => {
      const filters = [
        'since',
        'until',
        'principal',
        'run',
        'session',
        'server',
        'tool',
        'decision',
        'deny-reason',
        'side-effect',
        'lease',
        'policy',
        'type',
        'q',
        'limit',
        'cursor',
      ]
      const value = (name: string) => (name === 'limit' ? '7' : `v-${name}`)
      const args = filters.flatMap(name => [`--${name}`, value(name)])
      const { code, err } = await cli(['query', '--url', url, ...args, '--tool', 'second', '--deny_reason=other'])
      assert.equal(code, 0, err)
      const [{ query } = { query: new URLSearchParams() }] = asked
      for (const name of filters) assert.equal(query.get(name.replace('-', '_')), value(name), name)
      assert.deepEqual(query.getAll('tool'), ['v-tool', 'second'])
      assert.deepEqual(query.getAll('deny_reason'), ['v-deny-reason', 'other'])
    })
  })

  it('says how far the answer reaches, and goes on to the end when asked', async () => {
    await withStub(pages, async ({ url }) => {
      const first = await cli(['query', '--url', url])
      assert.equal(JSON.parse(first.out).seq, 2)
      assert.match(first.err, /known up to seq 30; newer entries may be missing\nmore: --cursor c2/)
      const all = await cli(['query', '--url', url, '--all', '-o', 'json'])
      const { items, complete, next } = JSON.parse(all.out)
      assert.deepEqual([items.length, complete, next], [2, true, null])
      const table = await cli(['query', '--url', url, '--all', '-o', 'table'])
      assert.match(table.out, /^seq {2}time .*\n {2}2 {2}2026-01-01 00:00:00\.000Z {2}aep\.decision {2}allow/)
    })
  })

  it('explains a problem of the service', async () => {
    const refuses: Handler = (_, answer) => problem(answer, 403, 'forbidden')
    await withStub(refuses, async ({ url }) => {
      const { code, err } = await cli(['query', '--url', url])
      assert.equal(code, 2)
      assert.match(err, /^aep-ledger: It is forbidden\.\n {2}Tokens are scoped/)
    })
  })
})

describe('aep-ledger leases', () => {
  it('lists leases as they stood, or one by its id', async () => {
    const lease = {
      lease_id: 'l 1',
      principal_hash: '0123456789abcdef',
      server_id: 's',
      granted_tools: ['a', 'b'],
      status: 'exhausted',
      invocation_count: 3,
      max_invocations: 3,
      expires_at: '2026-01-01T00:00:00Z',
      granted_seq: 5,
      violations: [
        { code: 'over-use', seq: 8, detail: 'x' },
        { code: 'over-use', seq: 9, detail: 'x' },
      ],
      violation_count: 31,
    }
    const strays = { violations: [{ code: 'use-of-unknown-lease', seq: 2, detail: 'used' }], violation_count: 2 }
    const handler: Handler = ({ path }, answer) => {
      const page = { items: [lease], next: null, as_of: 9, complete: true }
      json(answer, path.endsWith('/leases') ? page : { ...page, ...strays })
    }
    await withStub(handler, async ({ url, asked }) => {
      const { out, err } = await cli(['leases', 'l 1', '--url', url, '--at', '0', '-o', 'table'])
      assert.match(
        out,
        /l 1 {4}exhausted {3}3\/3 {2}s {7}a b {4}0123456789ab {2}2026-01-01T00:00:00Z {4}5 {2}over-use \(31\)/,
      )
      assert.match(err, /use-of-unknown-lease at seq 2: used\nand 1 before these\n/)
      assert.equal(asked[0]?.path, '/v1/ledgers/default/leases/l%201')
      assert.equal(asked[0]?.query.get('at'), '0')
      assert.equal((await cli(['leases', 'l 1', '--url', url, '--state', 'active'])).code, 2)
      await cli(['leases', '--url', url, '--state', 'exhausted', '--principal', 'p', '--server', 's', '--tool', 't'])
      assert.equal(String(asked[1]?.query), 'state=exhausted&principal=p&server=s&tool=t')
      assert.deepEqual(JSON.parse((await cli(['leases', '--url', url])).out), lease)
    })
  })
})

describe('aep-ledger keys', () => {
  it('exports what --keys takes, with a warning where trust has to come from', async () => {
    await withStub(service, async ({ url }) => {
      const { out, err } = await cli(['keys', 'export', url, '--ledger', ledgerName])
      assert.deepEqual(JSON.parse(out), keysFile)
      assert.match(err, /These keys come from the ledger itself/)
      const list = await cli(['keys', 'list', url, '--ledger', ledgerName, '-o', 'table'])
      assert.match(list.out, new RegExp(`${key.keyId} +0 +now +${key.publicHex}`))
    })
  })

  it('revokes one, saying since when somebody else may have signed with it', async () => {
    const handler: Handler = (_, answer) => json(answer, { key_id: 'k', seq: 12, compromised_since_seq: 4 })
    await withStub(handler, async ({ url, asked }) => {
      const { out, code } = await cli(['keys', 'revoke', 'k', '--url', url, '--compromised-since', '4'])
      assert.deepEqual([code, JSON.parse(out).seq], [0, 12])
      assert.equal(asked[0]?.path, '/v1/ledgers/default/keys/k/revoke')
      assert.deepEqual(JSON.parse(asked[0]?.body ?? ''), { compromised_since_seq: 4 })
    })
  })

  it('reads them off an export as well', async () => {
    await inFolder(async dir => {
      const file = join(dir, 'x.dsse.jsonl')
      writeFileSync(file, entries.map(entry => `${envelope(entry)}\n`).join(''))
      const { out } = await cli(['keys', 'export', file, '--ledger', ledgerName])
      assert.deepEqual(JSON.parse(out), keysFile)
    })
  })
})

describe('aep-ledger tokens', () => {
  const token = {
    id: 'abc',
    label: 'gw',
    role: 'emit',
    ledgers: ['acme/prod'],
    sources: ['urn:g'],
    created_at: '2026-01-01T00:00:00Z',
  }

  it('prints a new token alone on stdout', async () => {
    const handler: Handler = (_, answer) => json(answer, { ...token, token: 'aep_secret' }, 201)
    await withStub(handler, async ({ url, asked }) => {
      const args = [
        'tokens',
        'create',
        '--url',
        url,
        '--role',
        'emit',
        '--for',
        'acme/prod',
        '--source',
        'urn:g',
        '--label',
        'gw',
      ]
      const { code, out, err } = await cli(args)
      assert.equal(code, 0)
      assert.equal(out, 'aep_secret\n')
      assert.match(err, /never again/)
      assert.deepEqual(JSON.parse(asked[0]?.body ?? ''), {
        role: 'emit',
        label: 'gw',
        ledgers: ['acme/prod'],
        sources: ['urn:g'],
      })
      assert.equal((await cli(['tokens', 'create', '--url', url])).code, 2)
    })
  })

  it('lists and ends tokens', async () => {
    const handler: Handler = ({ method }, answer) =>
      method === 'DELETE' ? void answer.writeHead(204).end() : json(answer, { items: [token] })
    await withStub(handler, async ({ url, asked }) => {
      assert.deepEqual(JSON.parse((await cli(['tokens', 'list', '--url', url])).out), { items: [token] })
      assert.equal((await cli(['tokens', 'revoke', 'abc', '--url', url])).code, 0)
      assert.deepEqual([asked[1]?.method, asked[1]?.path], ['DELETE', '/v1/tokens/abc'])
    })
  })
})

describe('aep-ledger export', () => {
  it('writes a file whole or not at all', async () => {
    await inFolder(async dir => {
      const file = join(dir, 'out.dsse.jsonl')
      await withStub(service, async ({ url }) => {
        const { code, err } = await cli(['export', url, '--ledger', ledgerName, '--from', '3', '--to', '9', '-f', file])
        assert.equal(code, 0)
        assert.match(err, /^This is a part: verify takes a ledger from seq 0 on.*\n7 entries of acme\/prod are in/)
        assert.equal(
          readFileSync(file, 'utf8'),
          entries
            .slice(3, 10)
            .map(entry => `${envelope(entry)}\n`)
            .join(''),
        )
        const none = await cli(['export', url, '--ledger', ledgerName, '--from', '99', '-f', join(dir, 'none')])
        assert.equal(none.code, 13)
        assert.throws(() => readFileSync(join(dir, 'none')))
        const piped = await cli(['export', url, '--ledger', ledgerName])
        assert.equal(piped.out.trimEnd().split('\n').length, entries.length)
      })
    })
  })
})
