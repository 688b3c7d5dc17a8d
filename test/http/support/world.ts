import { hash } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import { pino } from 'pino'
import { Registry } from 'prom-client'
import type { LedgerEvent } from '../../../src/aep/event/schema.ts'
import { type KeyRing, keyRing } from '../../../src/aep/keyring.ts'
import { fromHex, hex } from '../../../src/base/bytes.ts'
import { Fault } from '../../../src/base/fault.ts'
import { nodeSuite } from '../../../src/crypto/node.ts'
import { buildApp } from '../../../src/http/app.ts'
import { type AppPorts, defaultLimits, type LedgerAdmin, type LedgerKey, type Limits } from '../../../src/http/ports.ts'
import {
  emitterRegistered,
  emitterRevoked,
  keyRevoked,
  keyRotated,
  ledgerCreated,
  placeOwn,
} from '../../../src/ledger/own-events.ts'
import { keyIdOf } from '../../../src/ledger/signature.ts'
import type { TokenRecord } from '../../../src/log/control.ts'
import { memoryLog } from '../../../src/log/memory.ts'
import { Sequencer } from '../../../src/service/sequencer.ts'
import { signerOf } from '../../../src/service/signer.ts'
import { LeasesDouble, SearchDouble } from './doubles.ts'

/** A whole service over a log in memory: the sequencer is the real one, the views are doubles that a test sets. */
export interface World {
  readonly app: FastifyInstance
  readonly log: ReturnType<typeof memoryLog>
  readonly leases: LeasesDouble
  readonly search: SearchDouble
  readonly sequencer: Sequencer
  /** What the service's clock says. */
  readonly time: { nowMs: number }
  /** Every line the app logged. */
  readonly logged: string[]
  /** Adds a token and gives its text. */
  token(fields: Partial<TokenRecord> & Pick<TokenRecord, 'role'>): Promise<string>
  close(): Promise<void>
}

export const adminToken = 'the-admin-token-of-these-tests'
const startMs = Date.parse('2026-03-01T12:00:00Z')

export async function makeWorld(limits: Partial<Limits> = {}, over: Partial<AppPorts> = {}): Promise<World> {
  const log = memoryLog()
  const logged: string[] = []
  const time = { nowMs: startMs }
  const clock = () => new Date(time.nowMs)
  const keys = new Keys()
  const sequencer = new Sequencer({
    log,
    suite: nodeSuite,
    signerOf: () => keys.signer,
    heads: new Map(),
    queueEventsMax: 20_000,
    batchEventsMax: 1000,
    onAppended: () => {},
    onConflict: () => {},
  })
  const emitters = new Map<string, { keyId: string; publicHex: string }[]>()
  const admin = adminOver(sequencer, keys, clock, emitters)
  const search = new SearchDouble(log)
  const leases = new LeasesDouble()
  await log.putToken({
    ...{ id: 'admin', label: 'the environment’s', sha256: hash('sha256', adminToken), role: 'admin' as const },
    ...{ ledgers: ['*'], sources: [], createdAt: clock().toISOString() },
  })
  await admin.createLedger('default', 'admin')
  const ports: AppPorts = {
    ...{ intake: sequencer, log, leases, search, control: log, admin, clock, suite: nodeSuite, version: '0.0.0' },
    emitters: ledger => ringOf(emitters.get(ledger) ?? []),
    health: () => [{ name: 'log', ready: true, essential: true, detail: 'fine' }],
    metrics: new Registry(),
    logger: pino({ level: 'debug' }, { write: line => logged.push(line) }),
    limits: { ...defaultLimits, readWaitMs: 20, heartbeatMs: 60, followPollMs: 20, ...limits },
    ...over,
  }
  const app = await buildApp(ports)
  return {
    ...{ app, log, leases, search, sequencer, time, logged },
    token: fields => giveToken(app, fields),
    async close() {
      await app.close()
      await sequencer.stop()
    },
  }
}

async function giveToken(app: FastifyInstance, fields: Partial<TokenRecord> & Pick<TokenRecord, 'role'>) {
  const made = await app.inject({
    method: 'POST',
    url: '/v1/tokens',
    headers: { authorization: `Bearer ${adminToken}`, 'content-type': 'application/json' },
    payload: { ledgers: ['*'], ...fields },
  })
  if (made.statusCode !== 201) throw new Error(made.body)
  return made.json<{ token: string }>().token
}

const ringOf = (keys: readonly { keyId: string; publicHex: string }[]): KeyRing =>
  keyRing(keys.map(({ keyId, publicHex }) => ({ keyId, publicKey: fromHex(publicHex) ?? new Uint8Array() })))

class Keys {
  #seed = new Uint8Array(32).fill(7)

  get keyId(): string {
    return keyIdOf(nodeSuite, nodeSuite.publicKey(this.#seed))
  }
  get publicHex(): string {
    return hex(nodeSuite.publicKey(this.#seed))
  }
  get signer() {
    return signerOf(this.keyId, this.#seed)
  }
  turn(): void {
    this.#seed = this.#seed.map(byte => byte + 1)
  }
}

function adminOver(
  sequencer: Sequencer,
  keys: Keys,
  clock: () => Date,
  emitters: Map<string, { keyId: string; publicHex: string }[]>,
): LedgerAdmin {
  const own = (ledger: string, event: LedgerEvent) => sequencer.submitOwn(ledger, [placeOwn(event)])
  const spoken = (ledger: string) => ({ origin: `test/${ledger}`, at: clock().toISOString() })
  const history = new Map<string, LedgerKey[]>()
  const known = (ledger: string): void => {
    if (!history.has(ledger)) throw new Fault('ledger-unknown', `There is no ledger ${ledger}.`)
  }
  return {
    async createLedger(ledger, by) {
      if (history.has(ledger)) throw new Fault('ledger-exists', `There is a ledger ${ledger}.`)
      const { keyId, publicHex } = keys
      history.set(ledger, [{ keyId, alg: 'ed25519', publicHex, fromSeq: 0 }])
      await own(ledger, ledgerCreated({ ...spoken(ledger), ledger, key: { keyId, publicHex }, by }))
    },
    async keys(ledger) {
      known(ledger)
      return history.get(ledger) ?? []
    },
    async rotateKey(by) {
      const from = keys.keyId
      const next = new Keys()
      next.turn()
      for (const [ledger, before] of history) {
        const { keyId, publicHex } = next
        await own(ledger, keyRotated({ ...spoken(ledger), from, key: { keyId, publicHex }, by }))
        const seq = sequencer.head(ledger)?.seq ?? 0
        const last = before.pop()
        if (last !== undefined) before.push({ ...last, toSeq: seq })
        before.push({ keyId, alg: 'ed25519', publicHex, fromSeq: seq + 1 })
      }
      keys.turn()
      return { keyId: keys.keyId, publicHex: keys.publicHex, ledgers: [...history.keys()] }
    },
    async revokeKey(ledger, keyId, says, by) {
      known(ledger)
      if (!history.get(ledger)?.some(key => key.keyId === keyId)) throw new Fault('not-found', 'There is no such key.')
      const [placement] = await own(ledger, keyRevoked({ ...spoken(ledger), keyId, ...says, by }))
      return placement?.seq ?? -1
    },
    async registerEmitter(ledger, key, by) {
      known(ledger)
      await own(ledger, emitterRegistered({ ...spoken(ledger), key, sources: key.sources, by }))
      emitters.set(ledger, [...(emitters.get(ledger) ?? []), key])
    },
    async revokeEmitter(ledger, keyId, by) {
      known(ledger)
      const left = (emitters.get(ledger) ?? []).filter(key => key.keyId !== keyId)
      if (left.length === (emitters.get(ledger) ?? []).length) throw new Fault('not-found', 'There is no such emitter.')
      await own(ledger, emitterRevoked({ ...spoken(ledger), keyId, by }))
      emitters.set(ledger, left)
    },
  }
}
