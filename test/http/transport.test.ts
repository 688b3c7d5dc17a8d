import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { problem } from '../../src/contract/problem.ts'
import { anEvent, ask, eventsUrl } from './support/ask.ts'
import { addressOf, follow } from './support/follow.ts'
import { adminToken, makeWorld, type World } from './support/world.ts'

let world: World
before(async () => {
  world = await makeWorld({
    headersTimeoutMs: 300,
    requestTimeoutMs: 600,
    bodyBytesMax: 1_000_000,
    stallTimeoutMs: 2000,
  })
  await addressOf(world.app)
})
after(() => world.close())

/** What the service answers to these bytes, up to the end of the connection. */
async function say(text: string, more?: (socket: Socket) => void): Promise<string> {
  const socket = connect(await addressOf(world.app))
  socket.on('error', () => {})
  let answer = ''
  socket.setEncoding('latin1').on('data', chunk => {
    answer += chunk
  })
  socket.write(text)
  more?.(socket)
  await once(socket, 'close')
  return answer
}

function problemIn(answer: string): { status: number; code: string } {
  const [head = '', body = ''] = answer.split('\r\n\r\n')
  assert.match(head, /^content-type: application\/problem\+json/im)
  const { status, code } = problem.parse(JSON.parse(body))
  assert.match(head, new RegExp(`^HTTP/1.1 ${status} `))
  return { status, code }
}

const head = `Host: x\r\nAuthorization: Bearer ${adminToken}\r\nConnection: close\r\n`

describe('what is no request', () => {
  it('is answered with a problem, and the connection ends', async () => {
    for (const [text, code] of [
      ['hello\r\n\r\n', 'malformed-request'],
      ['GET / HTTP/9.9\r\n\r\n', 'malformed-request'],
      [`GET /livez HTTP/1.1\r\n${head}bad header\r\n\r\n`, 'malformed-request'],
      [`GET /livez HTTP/1.1\r\n${head}X: ${'x'.repeat(20_000)}\r\n\r\n`, 'headers-too-large'],
      [`GET /${'x'.repeat(20_000)} HTTP/1.1\r\n${head}\r\n`, 'headers-too-large'],
      [
        `POST ${eventsUrl} HTTP/1.1\r\n${head}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n`,
        'malformed-request',
      ],
      [`POST ${eventsUrl} HTTP/1.1\r\n${head}Content-Length: 5\r\nContent-Length: 6\r\n\r\n`, 'malformed-request'],
      ['GET /livez HTTP/1.1\r\nConnection: close\r\n\r\n', 'malformed-request'],
      [`GET /livez HTTP/1.1\r\n${head}Expect: much\r\n\r\n`, 'expectation-failed'],
    ] as const) {
      assert.equal(problemIn(await say(text)).code, code, text.slice(0, 60))
    }
  })

  it('is cut off where it comes too slowly', async () => {
    const begun = performance.now()
    assert.equal(problemIn(await say('GET /livez HTTP/1.1\r\nHost: x\r\n')).code, 'request-timeout')
    const slowBody = `POST ${eventsUrl} HTTP/1.1\r\n${head}Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{`
    assert.equal(problemIn(await say(slowBody)).code, 'request-timeout')
    assert.ok(performance.now() - begun < 10_000)
  })

  it('leaves the service as it was', async () => {
    assert.equal((await ask(world.app, { url: '/livez' })).status, 200)
    assert.match(await say(`GET /livez HTTP/1.0\r\n\r\n`), /^HTTP\/1.1 200 /)
  })
})

describe('a body over the limit', () => {
  it('is refused to a client that says so beforehand, and to one that just goes on', async () => {
    const start = `POST ${eventsUrl} HTTP/1.1\r\n${head}Content-Type: application/json\r\n`
    assert.equal(problemIn(await say(`${start}Content-Length: 1000001\r\n\r\n`)).code, 'body-too-large')
    const chunk = `${(500_000).toString(16)}\r\n${' '.repeat(500_000)}\r\n`
    assert.equal(
      problemIn(await say(`${start}Transfer-Encoding: chunked\r\n\r\n${chunk.repeat(3)}`)).code,
      'body-too-large',
    )
  })

  it('that was announced is waited for where it is allowed', async () => {
    const body = JSON.stringify(anEvent({ id: 'continue' }))
    const start = `POST ${eventsUrl} HTTP/1.1\r\n${head}Content-Type: application/json\r\nExpect: 100-continue\r\n`
    const answer = await say(`${start}Content-Length: ${body.length}\r\n\r\n`, socket => socket.write(body))
    assert.match(answer, /^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 201 /)
  })

  it('is read by a client of the ordinary kind, which sends before it listens', async () => {
    // Its times are the usual ones: three megabytes may take a busy machine longer than the others allow here.
    const own = await makeWorld({ bodyBytesMax: 1_000_000 })
    const { host, port } = await addressOf(own.app)
    const response = await fetch(`http://${host}:${port}${eventsUrl}`, {
      ...{ method: 'POST', body: ' '.repeat(3_000_000) },
      headers: { authorization: `Bearer ${adminToken}`, 'content-type': 'application/json' },
    })
    assert.equal(response.status, 413)
    assert.equal(problem.parse(await response.json()).code, 'body-too-large')
    await own.close()
  })
})

describe('closing', () => {
  it('takes nothing more, ends streams, and lets what is under way finish', async () => {
    const own = await makeWorld()
    let answer = () => {}
    const submit = own.sequencer.submit.bind(own.sequencer)
    own.sequencer.submit = async (ledger, events) => {
      await new Promise<void>(resolve => {
        answer = resolve
      })
      return submit(ledger, events)
    }
    const { host, port } = await addressOf(own.app)
    const stream = await follow(own.app, '/v1/ledgers/default/entries')
    const slow = fetch(`http://${host}:${port}${eventsUrl}`, {
      ...{ method: 'POST', body: JSON.stringify(anEvent()) },
      headers: { authorization: `Bearer ${adminToken}`, 'content-type': 'application/json' },
    })
    await new Promise(resolve => setTimeout(resolve, 50))
    const idle = connect({ host, port })
    await once(idle, 'connect')
    const closed = own.app.close()
    await stream.rest()
    await assert.rejects(fetch(`http://${host}:${port}/livez`))
    answer()
    assert.equal((await slow).status, 201)
    await closed
    await own.sequencer.stop()
    idle.destroy()
  })

  it('waits for no client that never ends its request, and for the answer of one that did', async () => {
    const own = await makeWorld()
    const submit = own.sequencer.submit.bind(own.sequencer)
    own.sequencer.submit = async (ledger, events) => {
      await new Promise(resolve => setTimeout(resolve, 4_000))
      return submit(ledger, events)
    }
    const { host, port } = await addressOf(own.app)
    const auth = { authorization: `Bearer ${adminToken}`, 'content-type': 'application/json' }
    const trickle = connect({ host, port })
    trickle.on('error', () => {})
    trickle.write(
      `POST ${eventsUrl} HTTP/1.1\r\nHost: x\r\nAuthorization: ${auth.authorization}\r\nContent-Type: application/json\r\nContent-Length: 99999\r\n\r\n`,
    )
    const drops = setInterval(() => trickle.write(' '), 50)
    const body = JSON.stringify(anEvent({ id: 'slow' }))
    const slow = fetch(`http://${host}:${port}${eventsUrl}`, { method: 'POST', body, headers: auth })
    await new Promise(resolve => setTimeout(resolve, 100))
    const began = performance.now()
    const closed = own.app.close().then(() => performance.now() - began)
    const tookMs = await Promise.race([closed, new Promise(resolve => setTimeout(resolve, 8_000, 'no end'))])
    clearInterval(drops)
    trickle.destroy()
    assert.ok(Number(tookMs) < 6_000, String(tookMs))
    assert.equal((await slow).status, 201)
    await own.sequencer.stop()
  })

  it('answers a request on a connection that is still open with 503 and ends it', async () => {
    const own = await makeWorld()
    let answer = () => {}
    own.sequencer.submit = () =>
      new Promise(resolve => {
        answer = () => resolve([{ status: 'conflict', seq: 1, leafHash: 'a' } as never])
      })
    const socket = connect(await addressOf(own.app))
    let text = ''
    socket.setEncoding('latin1').on('data', chunk => {
      text += chunk
    })
    // What was answered may be followed by a reset, for the server does not wait for our end of it.
    socket.on('error', () => {})
    const body = JSON.stringify(anEvent())
    const live = `Host: x\r\nAuthorization: Bearer ${adminToken}\r\n`
    socket.write(
      `POST ${eventsUrl} HTTP/1.1\r\n${live}Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    )
    await new Promise(resolve => setTimeout(resolve, 50))
    const closed = own.app.close()
    await new Promise(resolve => setTimeout(resolve, 50))
    socket.write(`GET /livez HTTP/1.1\r\n${live}\r\n`)
    answer()
    await closed
    assert.match(text, /^HTTP\/1.1 409 [\s\S]*HTTP\/1.1 503 [\s\S]*"code":"shutting-down"/)
    await own.sequencer.stop()
  })
})
