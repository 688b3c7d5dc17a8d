import { mkdirSync } from 'node:fs'
import { sampleStream } from '../../infra/sample-stream.ts'
import { acceptEvent } from '../../src/aep/event/accept.ts'
import type { Json } from '../../src/aep/json.ts'
import { hex, utf8 } from '../../src/base/bytes.ts'
import { nodeSuite } from '../../src/crypto/node.ts'
import { ledgerCreated, placeOwn } from '../../src/ledger/own-events.ts'
import { emptyHead, type Placeable, seal } from '../../src/ledger/seal.ts'
import { keyIdOf } from '../../src/ledger/signature.ts'
import { openEmbedded } from '../../src/log/embedded/open.ts'
import type { EventIdentity } from '../../src/log/port.ts'
import { signerOf } from '../../src/service/signer.ts'

export interface BuiltLedger {
  readonly name: string
  readonly keyId: string
  readonly publicHex: string
  readonly head: { readonly seq: number; readonly leafHash: string }
}

const seed = nodeSuite.sha256(utf8('the signing key of the benchmarks'))
const batchEntries = 2000

/** Builds an embedded data folder that holds one ledger of `entries` entries of the sample stream, signed as ever. */
export async function buildLedger(dir: string, entries: number): Promise<BuiltLedger> {
  mkdirSync(dir, { recursive: true })
  const log = await openEmbedded(dir)
  try {
    const publicKey = nodeSuite.publicKey(seed)
    const keyId = keyIdOf(nodeSuite, publicKey)
    const signer = signerOf(keyId, seed)
    const ledger = 'default'
    const at = '2026-11-01T00:00:00.000Z'
    const key = { keyId, publicHex: hex(publicKey) }
    const genesis = placeOwn(ledgerCreated({ origin: `bench.invalid/${ledger}`, at, ledger, key }))
    const stream = sampleStream({ seed: 1, events: entries - 1, startMs: Date.parse(at) })
    let head = emptyHead
    let batch: (Placeable & EventIdentity)[] = [genesis]
    const flush = async (): Promise<void> => {
      const [first, ...others] = batch
      if (first === undefined) return
      const step = seal(nodeSuite, head, { ledger, keyId }, [first, ...others])
      const signatures = await signer.sign(step.entries.map(entry => entry.bytes))
      const stored = step.entries.map(({ seq, bytes }, n) => ({
        seq,
        bytes,
        signature: signatures[n] ?? new Uint8Array(),
      }))
      await log.append({ ledger, entries: stored, ids: batch, after: head, head: step.head })
      head = step.head
      batch = []
    }
    for (const event of stream) {
      const accepted = acceptEvent(event as unknown as Json)
      if (!accepted.ok) throw new Error(`the sample stream is refused: ${JSON.stringify(accepted.errors)}`)
      batch.push({
        source: event.source,
        id: event.id,
        canonical: accepted.canonical,
        takenAt: event.time,
        intake: { by: 'bench', emitter_sig: 'absent', record_sig: 'not_a_record' },
      })
      if (batch.length === batchEntries) await flush()
    }
    await flush()
    return { name: ledger, keyId, publicHex: hex(publicKey), head: { seq: head.seq, leafHash: head.leafHash } }
  } finally {
    await log.close()
  }
}
