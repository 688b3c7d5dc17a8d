import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { anEvent, ask, eventsUrl, lines, type Told } from './support/ask.ts'
import { makeWorld, type World } from './support/world.ts'

let world: World
before(async () => {
  world = await makeWorld({ batchMax: 50, bodyBytesMax: 200_000 })
})
after(() => world.close())

const bytes = (...parts: (string | number[])[]): Uint8Array =>
  Buffer.concat(parts.map(part => (typeof part === 'string' ? Buffer.from(part) : Buffer.from(part))))

/** An event's text with `data` spelt as given. */
const withData = (data: string): string =>
  JSON.stringify(anEvent({ data: 0 })).replace('"data":0', () => `"data":${data}`)

async function refused(
  body: unknown,
  type = 'application/json',
  headers: Readonly<Record<string, string>> = {},
): Promise<Told> {
  const before = (await world.log.head('default'))?.seq
  const told = await ask(world.app, {
    ...{ method: 'POST', url: eventsUrl, body, headers: { 'content-type': type, ...headers } },
  })
  assert.ok(told.status >= 400 && told.status < 500, told.text)
  assert.equal((await world.log.head('default'))?.seq, before, 'nothing is written')
  return told
}

const places = ({ json }: Told): string[] => json.errors.map(({ pointer }: { pointer: string }) => pointer)

describe('a body that is no I-JSON', () => {
  const cases: [what: string, body: string | Uint8Array, reason: string, pointer: string][] = [
    ['nothing but space', '  ', 'not-json', ''],
    ['cut off', withData('{"decision":"allow"}').slice(0, -5), 'not-json', '/data/decision'],
    ['with a byte order mark', bytes([0xef, 0xbb, 0xbf], withData('{"decision":"allow"}')), 'bom', ''],
    ['in UTF-16', Buffer.from(withData('{"decision":"allow"}'), 'utf16le'), 'not-json', ''],
    ['with bytes that are no UTF-8', bytes('{"id":"', [0xff, 0xfe], '"}'), 'invalid-utf8', ''],
    ['with an overlong encoding', bytes('{"id":"', [0xc0, 0xaf], '"}'), 'invalid-utf8', ''],
    ['with a lone surrogate', withData('{"decision":"allow","run_id":"\\ud800"}'), 'lone-surrogate', '/data/run_id'],
    ['with a name twice', withData('{"decision":"allow","decision":"deny"}'), 'duplicate-key', '/data/decision'],
    [
      'with a name twice, once escaped',
      withData('{"decision":"allow","\\u0064ecision":"deny"}'),
      'duplicate-key',
      '/data/decision',
    ],
    [
      'with __proto__',
      withData('{"decision":"allow","args":{"__proto__":{"admin":true}}}'),
      'unsafe-key',
      '/data/args/__proto__',
    ],
    ['with NaN', withData('{"decision":"allow","args":NaN}'), 'not-json', '/data/args'],
    ['with Infinity', withData('{"decision":"allow","args":-Infinity}'), 'not-json', '/data/args'],
    [
      'with a number that loses digits',
      withData('{"decision":"allow","args":9007199254740993}'),
      'number-lossy',
      '/data/args',
    ],
    ['with a number beyond all doubles', withData('{"decision":"allow","args":1e400}'), 'number-lossy', '/data/args'],
    ['with a leading zero', withData('{"decision":"allow","args":01}'), 'not-json', '/data/args'],
    [
      'nested too deeply',
      withData(`{"decision":"allow","args":${'['.repeat(100)}${']'.repeat(100)}}`),
      'nesting-limit',
      '',
    ],
    ['nested to break a stack', '['.repeat(190_000), 'nesting-limit', ''],
    ['of two values', `${withData('{"decision":"allow"}')} {}`, 'not-json', ''],
    ['with a comma too many', withData('{"decision":"allow",}'), 'not-json', '/data'],
    ['with a raw control character', withData('{"decision":"allow","run_id":"a\u0001"}'), 'not-json', '/data/run_id'],
  ]
  for (const [what, body, reason, pointer] of cases) {
    it(`${what}: ${reason} at ${pointer === '' ? 'the top' : pointer}`, async () => {
      const told = await refused(body)
      assert.equal(told.json.code, 'malformed-json')
      const { errors } = told.json
      assert.equal(errors[0].detail.split(':', 1)[0], reason)
      if (reason === 'nesting-limit') assert.ok(errors[0].pointer.startsWith(pointer))
      else assert.equal(errors[0].pointer, pointer)
    })
  }

  it('has its line named where it is one of many', async () => {
    const body = `${lines([anEvent({ id: 'a' })])}{"broken":\n${lines([anEvent({ id: 'b' })])}`
    const { json } = await refused(body, 'application/x-ndjson')
    assert.equal(json.code, 'malformed-json')
    assert.equal(json.errors[0].pointer, '/1/broken')
    assert.match(json.errors[0].detail, /^line 2: not-json/)
  })

  it('may have an empty line at its end and nowhere else', async () => {
    const told = await refused(
      `${lines([anEvent({ id: 'a' })])}\n${lines([anEvent({ id: 'b' })])}`,
      'application/x-ndjson',
    )
    assert.deepEqual(places(told), ['/1'])
  })
})

describe('a body that is no event', () => {
  it('is refused with a pointer to each fault', async () => {
    for (const [body, pointers] of [
      [null, ['']],
      [[1], ['/0']],
      ['"text"', ['']],
      [anEvent({ type: 'aep.unheard.of' }), ['/type']],
      [anEvent({ type: undefined }), ['/type']],
      [anEvent({ data: { decision: 'maybe' } }), ['/data/decision']],
      [anEvent({ data: { decision: 'allow', target: { server: 'x' } } }), ['/data/target/server']],
      [anEvent({ specversion: '0.3', id: '', source: 1, extra: true }), ['/specversion', '/id', '/source', '/extra']],
      [anEvent({ time: 'yesterday' }), ['/time']],
      [
        [anEvent(), anEvent({ id: 7 }), anEvent({ data: {} })],
        ['/1/id', '/2/data/decision'],
      ],
    ] as const) {
      const told = await refused(typeof body === 'string' ? body : JSON.stringify(body))
      assert.equal(told.json.code, 'invalid-event')
      assert.deepEqual([...places(told)].sort(), [...pointers].sort())
    }
  })

  it('is refused where it speaks for the ledger itself', async () => {
    for (const type of ['aep.ledger.created', 'aep.ledger.key.rotated', 'aep.ledger.conflict']) {
      const told = await refused(anEvent({ type, data: {} }))
      assert.deepEqual(places(told), ['/type'])
    }
  })

  it('takes all others of its request with it, and every fault of every one is listed', async () => {
    const bad = (n: number) => anEvent({ id: String(n), data: { decision: 'maybe', run_id: 1 } })
    const events = [anEvent({ id: 'good' }), ...Array.from({ length: 20 }, (_, n) => bad(n))]
    for (const [body, type] of [
      [JSON.stringify(events), 'application/json'],
      [lines(events), 'application/x-ndjson'],
    ] as const) {
      const told = await refused(body, type)
      assert.equal(places(told).length, 40)
      assert.match(told.json.detail, /^20 of 21 events/)
    }
  })

  it('is refused with a bounded answer, however much is wrong with it', async () => {
    const members = Object.fromEntries(Array.from({ length: 5000 }, (_, n) => [`unknown${n}`, 1]))
    const told = await refused(anEvent(members))
    assert.equal(told.json.errors.length, 16)
    assert.match(told.json.detail, /4984 more errors/)
    assert.ok(told.text.length < 20_000)
  })

  it('is told so as a batch that is none, and as an event that is many', async () => {
    assert.deepEqual(places(await refused(anEvent(), 'application/cloudevents-batch+json')), [''])
    assert.deepEqual(places(await refused([anEvent()], 'application/cloudevents+json')), [''])
  })

  it('is refused empty in every form', async () => {
    for (const [body, type, code] of [
      ['[]', 'application/json', 'invalid-request'],
      ['[]', 'application/cloudevents-batch+json', 'invalid-request'],
      ['\n\n', 'application/x-ndjson', 'invalid-request'],
      ['', 'application/x-ndjson', 'invalid-request'],
      ['', 'application/json', 'malformed-json'],
    ] as const) {
      assert.equal((await refused(body, type)).json.code, code, type)
    }
    const none = await ask(world.app, { method: 'POST', url: eventsUrl })
    assert.equal(none.json.code, 'unsupported-media-type')
  })
})

describe('a body that is too much', () => {
  it('is refused by its bytes and by its events', async () => {
    const { json } = await refused(' '.repeat(200_001))
    assert.equal(json.code, 'body-too-large')
    const many = Array.from({ length: 51 }, (_, n) => anEvent({ id: `many${n}` }))
    assert.equal((await refused(many)).json.code, 'body-too-large')
    assert.equal((await refused(lines(many), 'application/x-ndjson')).json.code, 'body-too-large')
  })
})

describe('a body in a form that is not read', () => {
  it('is refused by its media type, charset or encoding', async () => {
    for (const [type, headers] of [
      ['text/plain', {}],
      ['application/xml', {}],
      ['application/jsonx', {}],
      ['', {}],
      ['application/json; charset=latin1', {}],
      ['application/cloudevents+json; charset="utf-16"', {}],
      ['application/json', { 'content-encoding': 'gzip' }],
      ['application/json, application/json', {}],
    ] as const) {
      const { json } = await refused(JSON.stringify(anEvent({ id: type })), type, headers)
      assert.equal(json.code, 'unsupported-media-type', type)
    }
  })
})

describe('a request to the wrong place', () => {
  it('is refused before its body is looked at', async () => {
    const post = (url: string, token?: string | null) =>
      ask(world.app, { method: 'POST', url, body: 'not json', ...(token === undefined ? {} : { token }) })
    assert.equal((await post(eventsUrl, null)).json.code, 'unauthenticated')
    assert.equal((await post(eventsUrl, 'wrong')).json.code, 'unauthenticated')
    assert.equal((await post('/v1/ledgers/Default/events')).json.code, 'invalid-request')
    assert.equal((await post('/v1/ledgers/a%2F..%2Fb/events')).json.code, 'invalid-request')
    assert.equal((await post('/v1/ledgers/a%2/events')).json.code, 'malformed-request')
    assert.equal((await post(`${eventsUrl}?sync=1`)).json.code, 'invalid-request')
    const unknown = await ask(world.app, { method: 'POST', url: '/v1/ledgers/nowhere/events', body: anEvent() })
    assert.equal(unknown.json.code, 'ledger-unknown')
  })
})
