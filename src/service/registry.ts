import type { KeyRing } from '../aep/keyring.ts'
import { Fault } from '../base/fault.ts'
import type { LedgerKey } from '../http/ports.ts'
import type { StoredEntry } from '../ledger/entry.ts'
import type { LogReader } from '../log/port.ts'
import { emitterKeysAt } from '../projections/emitters.ts'
import { type KeyHistory, keyAt } from '../projections/keys.ts'
import type { ViewStore } from '../projections/store.ts'
import type { KeyFiles } from './key-files.ts'
import {
  evolveRegistered,
  nothingRegistered,
  ownRegistryVersion,
  ownRegistryView,
  type Registered,
  registeredRow,
  registryRow,
} from './registry-rows.ts'
import type { Signer } from './signer.ts'
import { stateView } from './state-rows.ts'

const catchUpEntries = 5_000

interface Known {
  readonly registered: Registered
  /** Last seq folded. */
  readonly seq: number
}

/**
 * Which key signs each ledger's next entry, and whose emitters' signatures count: as the ledgers' own entries say, up to
 * the last one written. The stored row gives it a start; what the log has beyond that is folded before the first write.
 */
export class Registry {
  readonly #files: KeyFiles
  readonly #known = new Map<string, Known>()
  readonly #rings = new Map<string, KeyRing>()
  /** What stands in the view of its own, where it has one. */
  readonly #kept = new Map<string, Known>()

  private constructor(files: KeyFiles) {
    this.#files = files
  }

  /** Goes on from the rows of `view`. */
  static async open(log: LogReader, views: ViewStore, files: KeyFiles, view = stateView): Promise<Registry> {
    const registry = new Registry(files)
    for (const ledger of await log.ledgers()) {
      registry.#set(ledger, registeredRow(views, ledger, view), views.position(view, ledger))
      for (;;) {
        const entries = await log.read(ledger, registry.#at(ledger).seq + 1, catchUpEntries)
        if (entries.length === 0) break
        registry.fold(ledger, entries)
      }
    }
    return registry
  }

  /** The same with a view that is nobody else's, which `keep` keeps up. */
  static async openOwn(log: LogReader, views: ViewStore, files: KeyFiles): Promise<Registry> {
    await views.adopt(ownRegistryView, ownRegistryVersion)
    return Registry.open(log, views, files, ownRegistryView)
  }

  /** Writes down what was folded since, so that the next start need not fold it again. */
  async keep(views: ViewStore): Promise<void> {
    for (const [ledger, known] of this.#known) {
      const before = this.#kept.get(ledger)
      if (known.seq < 0 || before?.seq === known.seq) continue
      const isSame = before?.registered === known.registered
      await views.commit(ownRegistryView, ledger, known.seq, isSame ? [] : [registryRow(known.registered)])
      this.#kept.set(ledger, known)
    }
  }

  /** Entries that were just appended. */
  fold(ledger: string, entries: readonly StoredEntry[]): void {
    const { registered, seq } = this.#at(ledger)
    this.#set(ledger, evolveRegistered(registered, entries), entries.at(-1)?.seq ?? seq)
  }

  /** Id of the key that signs the next entry; the newest key at hand for a ledger that is yet to be made. */
  signingKey(ledger: string): string {
    if (this.#at(ledger).seq < 0) return this.#files.newest().keyId
    const keyId = this.signs(ledger)
    if (keyId === undefined)
      throw new Fault('log-unavailable', `No key of ${ledger} is in force any more: its signing key was revoked.`)
    return keyId
  }

  /** Id of the key that the ledger's entries put into force for the next one, if any. */
  signs(ledger: string): string | undefined {
    const { registered, seq } = this.#at(ledger)
    return keyAt(registered.keys, seq + 1)?.keyId
  }

  /** Signs the next entry of `ledger`; `log-unavailable` when the private key is not at hand. */
  signer(ledger: string): Signer {
    return this.signerUnder(ledger, this.signingKey(ledger))
  }

  /** Signs under the key of that id; `log-unavailable` when the private key is not at hand. */
  signerUnder(ledger: string, keyId: string): Signer {
    const key = this.#files.get(keyId)
    if (key === undefined) {
      const detail = `The private key ${keyId}, which signs ${ledger}, is not in the keys folder: restore it from your backup.`
      throw new Fault('log-unavailable', detail)
    }
    return key.signer
  }

  /** What the ledger's entries say of its own keys. */
  history(ledger: string): KeyHistory {
    return this.#at(ledger).registered.keys
  }

  keys(ledger: string): readonly LedgerKey[] {
    return this.history(ledger).turns.map(turn => ({ ...turn, alg: 'ed25519' }))
  }

  /** Keys of the emitters that are registered now. */
  emitters(ledger: string): KeyRing {
    return this.#rings.get(ledger) ?? noRing
  }

  #at(ledger: string): Known {
    return this.#known.get(ledger) ?? { registered: nothingRegistered, seq: -1 }
  }

  #set(ledger: string, registered: Registered, seq: number): void {
    const before = this.#known.get(ledger)
    this.#known.set(ledger, { registered, seq })
    if (before?.registered.emitters !== registered.emitters || !this.#rings.has(ledger)) {
      this.#rings.set(ledger, emitterKeysAt(registered.emitters, seq + 1))
    }
  }
}

const noRing: KeyRing = new Map()
