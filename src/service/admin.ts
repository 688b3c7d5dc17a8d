import type { LedgerEvent } from '../aep/event/schema.ts'
import { Fault } from '../base/fault.ts'
import type { EmitterKey, KeyRevocation, LedgerAdmin, LedgerKey, RotatedKey } from '../http/ports.ts'
import type { Seq } from '../ledger/entry.ts'
import {
  emitterRegistered,
  emitterRevoked,
  keyRevoked,
  keyRotated,
  ledgerCreated,
  placeOwn,
} from '../ledger/own-events.ts'
import { keyFault } from '../projections/keys.ts'
import type { KeyFiles, OwnKey } from './key-files.ts'
import type { Placing } from './placing.ts'
import type { Registry } from './registry.ts'

export interface AdminOptions {
  readonly placing: Placing
  readonly registry: Registry
  readonly keys: KeyFiles
  /** Name of the installation: a ledger's origin is this, a slash and the ledger's name. */
  readonly origin: string
  readonly clock: () => Date
  readonly custody?: KeyCustody
}

/** How keys are kept where other processes sign. */
export interface KeyCustody {
  /** Why no key may be made here, if so. */
  readonly refusal: string | undefined
}

/** The ledger that every installation has. */
export const defaultLedger = 'default'

/** What an admin does to ledgers: each act is an entry of the ledger's own, in order with everything else. */
export class Admin implements LedgerAdmin {
  readonly #options: AdminOptions
  #turn: Promise<unknown> = Promise.resolve()

  constructor(options: AdminOptions) {
    this.#options = options
  }

  /** In turn with rotations: a genesis is signed by the key that it names, and a rotation sees the ledger or comes before it. */
  createLedger(name: string, by: string): Promise<void> {
    return this.#inTurn(() => this.#create(name, by))
  }

  async #create(name: string, by: string): Promise<void> {
    const { placing } = this.#options
    if (placing.head(name) !== undefined) throw new Fault('ledger-exists', `There is a ledger ${name} already.`)
    const key = this.#genesisKey()
    const [placement] = await this.#write(name, ledgerCreated({ ...this.#spoken(name), ledger: name, key, by }))
    if (placement?.status !== 'created') throw new Fault('ledger-exists', `There is a ledger ${name} already.`)
  }

  /** The newest key; where others sign, the one that they sign with now, of which there may be nothing here. */
  #genesisKey(): Pick<OwnKey, 'keyId' | 'publicHex'> {
    const { keys, registry, custody } = this.#options
    const signs = custody && registry.signs(defaultLedger)
    return registry.keys(defaultLedger).find(({ keyId }) => keyId === signs) ?? keys.newest()
  }

  async keys(ledger: string): Promise<readonly LedgerKey[]> {
    return this.#options.registry.keys(ledger)
  }

  /**
   * Makes a key that nobody has seen before, every time: what was wrong with the old ones is wrong with all of them. A
   * ledger that can't take it holds no other up; `log-unavailable` then names it, and rotating again gives all a newer key.
   * The private keys that it replaces are deleted; where others sign, at the next rotation, for somebody may just be making a
   * ledger under one of them.
   */
  rotateKey(by: string): Promise<RotatedKey> {
    return this.#inTurn(() => this.#rotate(by))
  }

  async #rotate(by: string): Promise<RotatedKey> {
    const { placing, keys, clock, custody } = this.#options
    if (custody?.refusal !== undefined) throw new Fault('invalid-request', custody.refusal)
    const ledgers = placing.ledgers()
    const key = keys.make(clock())
    const failures: { readonly ledger: string; readonly error: unknown }[] = []
    const replaced = new Set<string>()
    for (const ledger of ledgers) {
      try {
        replaced.add(await this.#replaceKey(ledger, key, by))
      } catch (error) {
        failures.push({ ledger, error })
      }
    }
    const old = failures.length === 0 ? keys.ids() : [...replaced]
    this.#forget(key, custody === undefined ? old : old.filter(keyId => !replaced.has(keyId)))
    const [first] = failures
    if (first === undefined) return { keyId: key.keyId, publicHex: key.publicHex, ledgers }
    const names = failures.map(({ ledger }) => ledger).join(', ')
    const { message } = first.error as Error
    const detail = `Key ${key.keyId} signs ${ledgers.length - failures.length} of ${ledgers.length} ledgers, and not ${names}: ${message}`
    throw new Fault('log-unavailable', detail, [], first.error)
  }

  /** Puts `key` into force in one ledger; the id of the one that it replaces. */
  async #replaceKey(ledger: string, key: OwnKey, by: string): Promise<string> {
    const from = this.#options.registry.signingKey(ledger)
    await this.#write(ledger, keyRotated({ ...this.#spoken(ledger), from, key, by }))
    return from
  }

  revokeKey(ledger: string, keyId: string, says: KeyRevocation, by: string): Promise<number> {
    return this.#inTurn(() => this.#revoke(ledger, keyId, says, by))
  }

  async #revoke(ledger: string, keyId: string, says: KeyRevocation, by: string): Promise<number> {
    const { placing, registry } = this.#options
    const head = placing.head(ledger)
    if (head === undefined) throw new Fault('ledger-unknown', `There is no ledger ${ledger}.`)
    const history = registry.history(ledger)
    if (![...history.turns, ...history.announced].some(key => key.keyId === keyId)) {
      throw new Fault('not-found', `No entry of ${ledger} names a key ${keyId}.`)
    }
    const event = keyRevoked({ ...this.#spoken(ledger), keyId, ...says, by })
    if (registry.signs(ledger) === keyId) throw refused('/key_id', 'signs the ledger now: rotate the key first')
    if ((says.compromisedSinceSeq ?? 0) > head.seq) {
      throw refused('/compromised_since_seq', `takes a seq that is there: the last is ${head.seq}`)
    }
    const fault = keyFault(history, { event, seq: (head.seq + 1) as Seq })
    if (fault !== undefined) throw refused('/compromised_since_seq', fault)
    const [placement] = await this.#write(ledger, event)
    if (placement?.status !== 'created') throw new Fault('internal', `Key ${keyId} was not revoked: ask again.`)
    return placement.seq
  }

  /** Forgets those of `keyIds` that sign no ledger now, as the ledgers' own entries say; never the newest. */
  #forget(newest: OwnKey, keyIds: Iterable<string>): void {
    const { placing, registry, keys } = this.#options
    const needed = new Set([newest.keyId, ...placing.ledgers().flatMap(ledger => registry.signs(ledger) ?? [])])
    for (const keyId of keyIds) if (!needed.has(keyId)) keys.forget(keyId)
  }

  /** What makes keys, names them or ends them happens one at a time. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(work)
    this.#turn = turn.catch(() => {})
    return turn
  }

  async registerEmitter(ledger: string, key: EmitterKey, by: string): Promise<void> {
    await this.#write(ledger, emitterRegistered({ ...this.#spoken(ledger), key, sources: key.sources, by }))
  }

  async revokeEmitter(ledger: string, keyId: string, by: string): Promise<void> {
    const { placing, registry } = this.#options
    if (placing.head(ledger) === undefined) throw new Fault('ledger-unknown', `There is no ledger ${ledger}.`)
    if (!registry.emitters(ledger).has(keyId)) {
      throw new Fault('not-found', `No emitter is registered at ${ledger} under the key ${keyId}.`)
    }
    await this.#write(ledger, emitterRevoked({ ...this.#spoken(ledger), keyId, by }))
  }

  #write(ledger: string, event: LedgerEvent) {
    const { placing } = this.#options
    const isGenesis = event.type === 'aep.ledger.created'
    if (!isGenesis && placing.head(ledger) === undefined) {
      throw new Fault('ledger-unknown', `There is no ledger ${ledger}.`)
    }
    return placing.submitOwn(ledger, [placeOwn(event)])
  }

  #spoken(ledger: string): { readonly origin: string; readonly at: string } {
    const { origin, clock } = this.#options
    return { origin: `${origin}/${ledger}`, at: clock().toISOString() }
  }
}

const refused = (pointer: string, detail: string): Fault =>
  new Fault('invalid-request', 'The key can’t be revoked so.', [{ pointer, detail }])
