import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, afterEach, before, beforeEach, describe, it } from 'node:test'
import fc from 'fast-check'
import { FrameCutter } from '../../infra/proxy/frames.ts'
import { type FaultProxy, startProxy } from '../../infra/proxy/proxy.ts'
import { Caller, listen } from './sockets.ts'

/** Long enough for whatever would pass to have passed. */
const aWhile = () => new Promise(resolve => setTimeout(resolve, 100))

describe('a fault proxy of plain TCP', () => {
  let echo: Awaited<ReturnType<typeof listen>>
  let proxy: FaultProxy
  before(async () => {
    echo = await listen(socket => socket.pipe(socket))
  })
  after(() => echo.close())
  beforeEach(async () => {
    proxy = await startProxy({ to: echo.address, isKafka: false })
  })
  afterEach(() => proxy.close())

  /** One that has been heard and answered. */
  const caller = async (): Promise<Caller> => {
    const made = new Caller(proxy.address)
    made.say('hi')
    await made.hear(2)
    return made
  }

  it('gives back every byte in order, and the end', async () => {
    const one = new Caller(proxy.address)
    const bytes = randomBytes(8 << 20)
    one.say(bytes)
    one.socket.end()
    await one.ended
    assert.ok(one.heard.equals(bytes))
    assert.equal(await one.gone, undefined)
    await aWhile()
    assert.equal(proxy.connections, 0)
  })

  it('lets one side end and still hear the other', async () => {
    const late = await listen(socket => socket.resume().on('end', () => socket.end('you have ended')))
    const other = await startProxy({ to: late.address, isKafka: false })
    const one = new Caller(other.address)
    one.socket.end('all')
    await one.ended
    assert.equal(one.heard.toString(), 'you have ended')
    await Promise.all([other.close(), late.close()])
  })

  it('makes a sender wait for a receiver that does not read', async () => {
    const deaf = await listen(socket => socket.pause())
    const other = await startProxy({ to: deaf.address, isKafka: false })
    const one = new Caller(other.address)
    one.say(randomBytes(64 << 20))
    await aWhile()
    const waiting = one.socket.writableLength
    assert.ok(waiting > 32 << 20, `${waiting} bytes wait at the sender`)
    await Promise.all([other.close(), deaf.close()])
  })

  it('cuts what is open, and welcomes what comes', async () => {
    const both = await Promise.all([caller(), caller()])
    assert.equal(proxy.connections, 2)
    assert.equal(proxy.cut(), 2)
    assert.deepEqual(await Promise.all(both.map(({ gone }) => gone)), ['ECONNRESET', 'ECONNRESET'])
    await caller()
    assert.equal(proxy.connections, 1)
  })

  it('refuses while it is told to', async () => {
    const one = await caller()
    proxy.weather({ refuse: true })
    assert.equal(await one.gone, 'ECONNRESET')
    assert.equal(await new Caller(proxy.address).gone, 'ECONNRESET')
    proxy.weather({})
    await caller()
  })

  it('resets whoever connects to a server that is not there', async () => {
    const gone = await listen(() => {})
    await gone.close()
    const other = await startProxy({ to: gone.address, isKafka: false })
    assert.equal(await new Caller(other.address).gone, 'ECONNRESET')
    await other.close()
  })

  it('is silent while it is told to, to old and new connections, and loses nothing by it', async () => {
    const old = await caller()
    proxy.weather({ silent: true })
    old.say('there')
    const young = new Caller(proxy.address)
    young.say('hello')
    young.socket.end()
    await aWhile()
    assert.equal(old.heard.toString(), 'hi')
    assert.equal(young.heard.toString(), '')
    proxy.weather({})
    await young.ended
    assert.equal(young.heard.toString(), 'hello')
    assert.equal((await old.hear(7)).toString(), 'hithere')
  })

  it('is silent in one direction alone', async () => {
    const heard: string[] = []
    const server = await listen(socket => socket.on('data', bytes => heard.push(bytes.toString())).pipe(socket))
    const other = await startProxy({ to: server.address, isKafka: false })
    other.weather({ silent: true, direction: 'answers' })
    const one = new Caller(other.address)
    one.say('hello')
    await aWhile()
    assert.deepEqual(heard, ['hello'])
    assert.equal(one.heard.length, 0)
    other.weather({})
    await one.hear(5)
    await Promise.all([other.close(), server.close()])
  })

  it('can be closed in any weather', async () => {
    const one = await caller()
    proxy.weather({ silent: true })
    one.say('lost')
    await proxy.close()
    assert.equal(await one.gone, 'ECONNRESET')
    proxy = await startProxy({ to: echo.address, isKafka: false })
  })

  it('delays everything, and no more than that, and keeps its order', async () => {
    const one = await caller()
    proxy.weather({ delayMs: 50 })
    const before = performance.now()
    for (let n = 0; n < 100; n++) {
      one.say(String(n % 10))
      await new Promise(resolve => setImmediate(resolve))
    }
    const heard = await one.hear(102)
    const tookMs = performance.now() - before
    assert.equal(heard.toString(), `hi${'0123456789'.repeat(10)}`)
    assert.ok(tookMs >= 100, `there and back took ${tookMs} ms`)
    assert.ok(tookMs < 50 * 100, `the pieces were on their way at once, in ${tookMs} ms`)
  })

  it('lets no more bytes a second pass than it is told', async () => {
    const one = await caller()
    proxy.weather({ bytesPerSecond: 40_000, direction: 'answers' })
    const before = performance.now()
    one.say(Buffer.alloc(10_000, 'x'))
    await one.hear(10_002)
    const tookMs = performance.now() - before
    assert.ok(tookMs >= 240, `10,000 bytes at 40,000 a second took ${tookMs} ms`)
  })
})

const frame = (...fields: readonly Buffer[]): Buffer => {
  const body = Buffer.concat(fields)
  const length = Buffer.alloc(4)
  length.writeInt32BE(body.length)
  return Buffer.concat([length, body])
}
const bytesMax = 40

describe('a stream of frames', () => {
  it('is the same whole, however it arrives, and each frame is named once', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ minLength: 8, maxLength: bytesMax }), { maxLength: 12 }),
        fc.infiniteStream(fc.integer({ min: 1, max: bytesMax })),
        (bodies, sizes) => {
          const frames = bodies.map(body => frame(Buffer.from(body)))
          const whole = Buffer.concat(frames)
          const cutter = new FrameCutter(12)
          const out: Buffer[] = []
          const heads: Buffer[] = []
          for (let at = 0; at < whole.length; ) {
            const chunk = whole.subarray(at, at + (sizes.next().value ?? 1))
            at += chunk.length
            for (const { bytes, head } of cutter.take(chunk)) {
              out.push(bytes)
              if (head !== undefined) heads.push(head)
            }
          }
          assert.deepEqual(Buffer.concat(out), whole)
          assert.deepEqual(
            heads,
            frames.map(one => one.subarray(0, 12)),
          )
          assert.equal(cutter.rest().length, 0)
        },
      ),
    )
  })

  it('passes uncut when it is none', () => {
    const cutter = new FrameCutter(12)
    const text = Buffer.from('GET / HTTP/1.1\r\n\r\n')
    assert.deepEqual([...cutter.take(text)], [{ bytes: text }])
    assert.deepEqual([...cutter.take(Buffer.from('x'))], [{ bytes: Buffer.from('x') }])
  })
})

/** A request as Kafka has it: its API, version, correlation id, and a body. */
const request = (api: number, correlation: number, body = 'body'): Buffer => {
  const head = Buffer.alloc(8)
  head.writeInt16BE(api, 0)
  head.writeInt32BE(correlation, 4)
  return frame(head, Buffer.from(body))
}

describe('a fault proxy of Kafka', () => {
  /** Answers each request with its correlation id and body. */
  let server: Awaited<ReturnType<typeof listen>>
  let proxy: FaultProxy
  let reached: number[]
  before(async () => {
    server = await listen(socket => {
      const cutter = new FrameCutter(12)
      let open = Buffer.alloc(0)
      socket.on('data', bytes => {
        for (const piece of cutter.take(bytes)) {
          open = Buffer.concat([piece.head === undefined ? open : Buffer.alloc(0), piece.bytes])
          if (open.length < open.readInt32BE(0) + 4) continue
          reached.push(open.readInt32BE(8))
          // As a produce with acks=0 has none.
          if (open.readInt16BE(4) !== 99) socket.write(frame(open.subarray(8)))
        }
      })
      socket.on('end', () => socket.end())
    })
  })
  after(() => server.close())
  beforeEach(async () => {
    reached = []
    proxy = await startProxy({ to: server.address })
  })
  afterEach(() => proxy.close())

  const answer = (correlation: number, body = 'body'): Buffer => request(0, correlation, body).subarray(8)
  const answers = (...correlations: readonly number[]): Buffer =>
    Buffer.concat(correlations.map(one => frame(answer(one))))

  it('loses the answer to the request it was told, which the server has heard, and closes', async () => {
    const planned = proxy.plan({ api: 26, nth: 2, what: 'answer', how: 'close' })
    const one = new Caller(proxy.address)
    for (const [api, correlation] of [
      [26, 1],
      [0, 2],
      [99, 3],
      [26, 4],
    ] as const)
      one.say(request(api, correlation))
    assert.equal(await one.gone, 'ECONNRESET')
    assert.deepEqual(await planned.met, { api: 26, version: 0, correlation: 4, connection: 1 })
    assert.deepEqual(reached, [1, 2, 3, 4])
    assert.equal(proxy.seen(26), 2)
    assert.equal(proxy.seen(1), 0)
    const again = new Caller(proxy.address)
    again.say(request(26, 5))
    await again.hear(answers(5).length)
  })

  it('loses the request itself, of which the server never hears', async () => {
    const planned = proxy.plan({ api: 26, what: 'request', how: 'close' })
    const one = new Caller(proxy.address)
    one.say(request(26, 1))
    assert.equal(await one.gone, 'ECONNRESET')
    await planned.met
    await aWhile()
    assert.deepEqual(reached, [])
  })

  it('hangs a connection from there on, until its client ends it', async () => {
    const planned = proxy.plan({ api: 26, what: 'answer', how: 'hang' })
    const one = new Caller(proxy.address)
    one.say(Buffer.concat([request(0, 1), request(26, 2), request(0, 3)]))
    await planned.met
    await aWhile()
    assert.deepEqual(one.heard, answers(1))
    assert.deepEqual(reached, [1, 2, 3])
    one.socket.end()
    await one.gone
    await aWhile()
    assert.equal(proxy.connections, 0)
  })

  it('holds a request until it is let go, though its client has left', async () => {
    const planned = proxy.plan({ api: 26, what: 'request', how: 'hold' })
    const one = new Caller(proxy.address)
    one.say(Buffer.concat([request(0, 1), request(26, 2), request(0, 3)]))
    await planned.met
    one.socket.end()
    await aWhile()
    assert.deepEqual(reached, [1])
    planned.release()
    await one.ended
    assert.deepEqual(reached, [1, 2, 3])
    assert.deepEqual(one.heard, answers(1, 2, 3))
  })

  it('takes a fault back that has not happened yet', async () => {
    proxy.plan({ api: 26, what: 'request', how: 'close' }).release()
    const one = new Caller(proxy.address)
    one.say(request(26, 1))
    assert.deepEqual(await one.hear(answers(1).length), answers(1))
  })

  it('passes large frames whole, both ways', async () => {
    const one = new Caller(proxy.address)
    const body = 'large '.repeat(1 << 20)
    one.say(Buffer.concat([request(0, 1, body), request(0, 2)]))
    const expected = Buffer.concat([frame(answer(1, body)), answers(2)])
    assert.ok((await one.hear(expected.length)).equals(expected))
  })
})
