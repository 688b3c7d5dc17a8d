import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { refusalOf } from '../../../src/log/kafka/kafkajs-refusal.ts'
import { NotWritten } from '../../../src/log/port.ts'

/** As kafkajs throws them: the classes of its errors cannot be made outside. */
const thrown = (name: string, message: string, parts: object = {}): Error =>
  Object.assign(new Error(message), { name: `KafkaJS${name}`, ...parts })

describe('a refusal', () => {
  const access = { brokers: [] }
  const login = 'SASL SCRAM SHA256 authentication failed'

  it('is found below what it was wrapped in', () => {
    const error = thrown('SASLAuthenticationError', `${login}: invalid credentials`)
    const wrapped = new NotWritten('failed', 'not to be had', new Error('around it', { cause: error }))
    assert.match(refusalOf(wrapped, access)?.message ?? '', /^Kafka refused the login: SASL SCRAM/)
    const tls = thrown('ConnectionError', 'unable to verify', { code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' })
    const retried = thrown('NumberOfRetriesExceeded', tls.message, { cause: tls })
    assert.match(refusalOf(retried, access)?.message ?? '', /not trusted/)
  })

  it('is none where a broker is not there, or breaks off, even in the middle of a login', () => {
    for (const why of ['Closed connection', 'Connection error: read ECONNRESET', 'Request SaslAuthenticate timed out'])
      assert.equal(refusalOf(thrown('SASLAuthenticationError', `${login}: ${why}`), access), undefined, why)
    for (const error of [
      thrown('ConnectionError', 'connect ECONNREFUSED', { code: 'ECONNREFUSED' }),
      thrown('ConnectionError', 'read ECONNRESET', { code: 'ECONNRESET' }),
      thrown('ConnectionClosedError', 'Closed connection'),
      thrown('GroupCoordinatorNotFound', 'Failed to find group coordinator'),
      undefined,
    ])
      assert.equal(refusalOf(error, access), undefined, String(error))
  })
})
