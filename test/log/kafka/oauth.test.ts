import assert from 'node:assert/strict'
import { after, afterEach, before, describe, it } from 'node:test'
import { KafkaRefused } from '../../../src/log/kafka/access.ts'
import { oauthTokens } from '../../../src/log/kafka/oauth.ts'
import { TokenServer } from './secure/tokens.ts'

describe('a bearer token', () => {
  const server = new TokenServer('a+b c')
  let url = ''
  let nowMs = 0
  before(async () => {
    url = await server.listen()
  })
  after(() => server.close())
  afterEach(() => {
    server.trouble = undefined
    server.asked.length = 0
  })

  const tokens = (clientSecret = 'a+b c', tokenUrl = `${url}/token`) =>
    oauthTokens({ mechanism: 'oauthbearer', tokenUrl, clientId: 'me & you', clientSecret }, () => nowMs)

  it('is asked for once, however many logins there are at once, with name and secret as they are', async () => {
    const token = tokens()
    const [one, two] = await Promise.all([token(), token()])
    assert.equal(one, two)
    assert.equal(await token(), one)
    assert.deepEqual(server.asked, [{ client: 'me & you', scope: null }])
  })

  it('is got anew when a fifth of its life is left', async () => {
    const token = tokens()
    await token()
    nowMs += 2_879_000
    await token()
    assert.equal(server.asked.length, 1)
    nowMs += 2_000
    await token()
    assert.equal(server.asked.length, 2)
  })

  it('is used to its end where no other is to be had, and no longer', async () => {
    const token = tokens()
    const first = await token()
    server.trouble = 503
    nowMs += 3_599_000
    assert.equal(await token(), first)
    nowMs += 2_000
    await assert.rejects(token(), /has no answer now: 503/)
    server.trouble = undefined
    assert.notEqual(await token(), undefined)
  })

  it('is refused for good by who knows no such client, and not by who is not there', async () => {
    await assert.rejects(tokens('guess')(), (error: unknown) => {
      assert.ok(error instanceof KafkaRefused)
      assert.match(error.message, /\(401: invalid_client, no such client\)/)
      assert.ok(!error.message.includes('guess'))
      return true
    })
    await assert.rejects(tokens('a+b c', 'http://127.0.0.1:1/token')(), (error: unknown) => {
      assert.ok(error instanceof Error && !(error instanceof KafkaRefused))
      assert.match(error.message, /does not answer/)
      return true
    })
  })

  it('comes from a token endpoint, and from no page that merely answers', async () => {
    await assert.rejects(tokens('a+b c', `${url}/keys`)(), /answered without a token/)
  })
})
