import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Fault } from '../../src/base/fault.ts'
import { nodeSuite } from '../../src/crypto/node.ts'
import { readEntry } from '../../src/ledger/decode.ts'
import { memoryLog } from '../../src/log/memory.ts'
import { memoryViews } from '../../src/log/memory-views.ts'
import { type AppendBatch, type LedgerLog, NotWritten } from '../../src/log/port.ts'
import { Admin } from '../../src/service/admin.ts'
import { KeyFiles } from '../../src/service/key-files.ts'
import { Registry } from '../../src/service/registry.ts'
import { Sequencer } from '../../src/service/sequencer.ts'

interface Rig {
  readonly admin: Admin
  readonly log: LedgerLog
  /** Runs before each write; what it throws is what the write throws. */
  before: (batch: AppendBatch) => Promise<void>
  /** Ids of the keys on the disk. */
  keys(): readonly string[]
  /** Id of the key that signs an entry made now. */
  signs(ledger: string): Promise<string>
  /** `[key named by the genesis, key that signed it]` */
  genesis(ledger: string): Promise<readonly string[]>
}

async function rig(dir: string): Promise<Rig> {
  const log = memoryLog()
  const keys = KeyFiles.open(dir, nodeSuite, undefined, new Date())
  const registry = await Registry.open(log, memoryViews(), keys)
  const rig: { before: Rig['before'] } = { before: async () => {} }
  const sequencer = new Sequencer({
    log: {
      append: async batch => {
        await rig.before(batch)
        await log.append(batch)
      },
      head: ledger => log.head(ledger),
      ledgers: () => log.ledgers(),
      read: (...query) => log.read(...query),
      find: (...query) => log.find(...query),
      putRecord: (...record) => log.putRecord(...record),
      record: digest => log.record(digest),
      close: () => log.close(),
    },
    suite: nodeSuite,
    signerOf: ledger => registry.signer(ledger),
    heads: new Map(),
    queueEventsMax: 1000,
    batchEventsMax: 100,
    onAppended: (ledger, entries) => registry.fold(ledger, entries),
    onConflict: () => {},
  })
  const admin = new Admin({ placing: sequencer, registry, keys, origin: 'ledger.example', clock: () => new Date() })
  let count = 0
  return Object.assign(rig, {
    admin,
    log,
    keys: () => readdirSync(dir).map(name => name.replace('.json', '')),
    signs: async (ledger: string) => {
      count += 1
      const id = `e-${count}`
      const canonical = `{"data":{"count":1},"id":"${id}","source":"urn:t","specversion":"1.0","type":"aep.gap"}`
      const intake = { by: 'test', emitter_sig: 'absent', record_sig: 'not_a_record' } as const
      const event = { source: 'urn:t', id, canonical, intake, takenAt: new Date().toISOString() }
      const [placement] = await sequencer.submit(ledger, [event])
      return placement !== undefined && 'keyId' in placement ? placement.keyId : ''
    },
    genesis: async (ledger: string) => {
      const [stored] = await log.read(ledger, 0, 1)
      const { event, key_id } = readEntry(stored?.bytes ?? new Uint8Array())
      assert.ok(event.type === 'aep.ledger.created')
      return [event.data.key.key_id, key_id]
    },
  })
}

const refuse = (): never => {
  throw new NotWritten('failed', 'Not this one.')
}

describe('a rotation of keys', () => {
  let dir = ''
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'aep-ledger-admin-'))
  })
  afterEach(() => rmSync(dir, { recursive: true }))

  it('leaves a ledger that is made at the same time with the key that signs it, whichever came first', async () => {
    const made = await rig(dir)
    made.before = () => sleep(20)
    await made.admin.createLedger('a', 'test')
    const names = ['b', 'c', 'd']
    await Promise.all([
      made.admin.createLedger('b', 'test'),
      made.admin.rotateKey('test'),
      made.admin.createLedger('c', 'test'),
      made.admin.rotateKey('test'),
      made.admin.createLedger('d', 'test'),
    ])
    for (const name of names) {
      const [named, signed] = await made.genesis(name)
      assert.equal(signed, named, name)
    }
    const { keyId } = await made.admin.rotateKey('test')
    for (const name of ['a', ...names]) assert.equal(await made.signs(name), keyId)
    assert.deepEqual(made.keys(), [keyId])
  })

  it('goes on past a ledger that can’t take the key, says so, and keeps what that ledger signs with', async () => {
    const made = await rig(dir)
    for (const name of ['a', 'b', 'c']) await made.admin.createLedger(name, 'test')
    const old = await made.signs('b')
    made.before = async ({ ledger }) => (ledger === 'b' ? refuse() : undefined)
    await assert.rejects(made.admin.rotateKey('test'), (error: unknown) => {
      assert.ok(error instanceof Fault && error.code === 'log-unavailable')
      assert.match(error.message, /signs 2 of 3 ledgers, and not b: /)
      return true
    })
    made.before = async () => {}
    const half = await made.signs('a')
    assert.deepEqual([await made.signs('b'), await made.signs('c')], [old, half])
    assert.deepEqual(made.keys().toSorted(), [old, half].toSorted())

    const { keyId } = await made.admin.rotateKey('test')
    assert.notEqual(keyId, half)
    for (const name of ['a', 'b', 'c']) assert.equal(await made.signs(name), keyId)
    assert.deepEqual(made.keys(), [keyId])
  })

  it('that reached no ledger leaves no key behind once another did', async () => {
    const made = await rig(dir)
    await made.admin.createLedger('a', 'test')
    const old = await made.signs('a')
    made.before = async () => refuse()
    for (let n = 0; n < 3; n++) await assert.rejects(made.admin.rotateKey('test'))
    made.before = async () => {}
    assert.equal(await made.signs('a'), old)
    const { keyId } = await made.admin.rotateKey('test')
    assert.deepEqual(made.keys(), [keyId])
  })
})
