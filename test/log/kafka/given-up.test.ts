import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Kafka } from '../../../src/log/kafka/kafkajs-consumer.ts'
import { Sockets } from '../../../src/log/kafka/kafkajs-socket.ts'
import { startWriter } from '../../../src/log/kafka/kafkajs-writer.ts'

describe('a take-over that was given up', () => {
  it('fences nobody when the connection comes after all, and lets it go', async t => {
    t.mock.timers.enable({ apis: ['setTimeout'] })
    const connection = Promise.withResolvers<void>()
    const did: string[] = []
    const producer = {
      connect: () => connection.promise.then(() => void did.push('connected')),
      disconnect: async () => void did.push('disconnected'),
      transaction: async () => void did.push('fenced'),
    }
    const writer = startWriter({ producer: () => producer } as unknown as Kafka, new Sockets(), 'id')
    t.mock.timers.tick(12_000)
    await assert.rejects(writer, /gave no answer within 12 s/)
    connection.resolve()
    await nextTurn()
    assert.deepEqual(did, ['disconnected', 'connected', 'disconnected'])
  })
})
