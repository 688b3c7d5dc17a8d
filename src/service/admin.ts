import type { LedgerEvent } from '../aep/event/schema.ts'
import { Fault } from '../base/fault.ts'
import type { EmitterKey, LedgerAdmin, LedgerKey, RotatedKey } from '../http/ports.ts'
import { emitterRegistered, emitterRevoked, keyRotated, ledgerCreated, placeOwn } from '../ledger/own-events.ts'
import type { KeyFiles } from './key-files.ts'
import type { Registry } from './registry.ts'
import type { Sequencer } from './sequencer.ts'

export interface AdminOptions {
  readonly sequencer: Sequencer
  readonly registry: Registry
  readonly keys: KeyFiles
  /** Name of the installation: a ledger's origin is this, a slash and the ledger's name. */
  readonly origin: string
  readonly clock: () => Date
}

/** What an admin does to ledgers: each act is an entry of the ledger's own, in order with everything else. */
export class Admin implements LedgerAdmin {
  readonly #options: AdminOptions
  #rotating: Promise<unknown> = Promise.resolve()

  constructor(options: AdminOptions) {
    this.#options = options
  }

  async createLedger(name: string, by: string): Promise<void> {
    const { sequencer, keys } = this.#options
    if (sequencer.head(name) !== undefined) throw new Fault('ledger-exists', `There is a ledger ${name} already.`)
    const key = keys.newest()
    const [placement] = await this.#write(name, ledgerCreated({ ...this.#spoken(name), ledger: name, key, by }))
    if (placement?.status !== 'created') throw new Fault('ledger-exists', `There is a ledger ${name} already.`)
  }

  async keys(ledger: string): Promise<readonly LedgerKey[]> {
    return this.#options.registry.keys(ledger)
  }

  /** One at a time. A rotation that was cut short is finished by the next: a ledger that has the newest key is left alone. */
  rotateKey(by: string): Promise<RotatedKey> {
    const turn = this.#rotating.then(() => this.#rotate(by))
    this.#rotating = turn.catch(() => {})
    return turn
  }

  async #rotate(by: string): Promise<RotatedKey> {
    const { sequencer, registry, keys, clock } = this.#options
    const ledgers = sequencer.ledgers()
    const key = keys.make(clock())
    const replaced = new Set<string>()
    for (const ledger of ledgers) {
      const from = registry.signingKey(ledger)
      replaced.add(from)
      await this.#write(ledger, keyRotated({ ...this.#spoken(ledger), from, key, by }))
    }
    for (const keyId of replaced) keys.forget(keyId)
    return { keyId: key.keyId, publicHex: key.publicHex, ledgers }
  }

  async registerEmitter(ledger: string, key: EmitterKey, by: string): Promise<void> {
    await this.#write(ledger, emitterRegistered({ ...this.#spoken(ledger), key, sources: key.sources, by }))
  }

  async revokeEmitter(ledger: string, keyId: string, by: string): Promise<void> {
    const { sequencer, registry } = this.#options
    if (sequencer.head(ledger) === undefined) throw new Fault('ledger-unknown', `There is no ledger ${ledger}.`)
    if (!registry.emitters(ledger).has(keyId)) {
      throw new Fault('not-found', `No emitter is registered at ${ledger} under the key ${keyId}.`)
    }
    await this.#write(ledger, emitterRevoked({ ...this.#spoken(ledger), keyId, by }))
  }

  #write(ledger: string, event: LedgerEvent) {
    const { sequencer } = this.#options
    const isGenesis = event.type === 'aep.ledger.created'
    if (!isGenesis && sequencer.head(ledger) === undefined) {
      throw new Fault('ledger-unknown', `There is no ledger ${ledger}.`)
    }
    return sequencer.submitOwn(ledger, [placeOwn(event)])
  }

  #spoken(ledger: string): { readonly origin: string; readonly at: string } {
    const { origin, clock } = this.#options
    return { origin: `${origin}/${ledger}`, at: clock().toISOString() }
  }
}
