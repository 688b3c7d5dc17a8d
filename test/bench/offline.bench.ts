import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { cliMain, repository, serve } from '../../infra/serve.ts'
import { fromHex } from '../../src/base/bytes.ts'
import { nodeSuite } from '../../src/crypto/node.ts'
import { leafHashOf } from '../../src/ledger/entry.ts'
import { openEmbedded, openEmbeddedReader } from '../../src/log/embedded/open.ts'
import { LeaseBook, leaseFactsIn } from '../../src/projections/leases.ts'
import { rebuildState } from '../../src/service/state-view.ts'
import { addTo, newGroup, pack } from '../../src/verify/batch.ts'
import { judgeBatch } from '../../src/verify/judge.ts'
import { type BuiltLedger, buildLedger } from './ledger.ts'
import { opensslRates } from './openssl.ts'
import { type Print, percent, percentile, perSecond, type Row, rate, type Scale, type Section } from './section.ts'

/** What is done with a ledger that is there: verify it, fold it, start a service on it. */

interface VerifyRun {
  readonly elapsedMs: number
  /** Peak memory of the process, MiB, less the files that it maps: pages of the log, which are the disk cache's. */
  readonly peakMib: number
}

/** Runs `aep-ledger verify` on the folder in a process of its own, start-up included. */
async function verifyOnce(dir: string, ledger: BuiltLedger): Promise<VerifyRun> {
  const keys = join(dir, 'keys.json')
  writeFileSync(keys, JSON.stringify([{ key_id: ledger.keyId, public_hex: ledger.publicHex }]))
  const begun = performance.now()
  const head = `${ledger.head.seq}:${ledger.head.leafHash}`
  const child = spawn(process.execPath, [cliMain, 'verify', dir, '--keys', keys, '--head', head, '-o', 'json'], {
    cwd: repository,
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  let peakMib = 0
  const watch = setInterval(() => {
    peakMib = Math.max(peakMib, peakOf(child.pid))
  }, 50)
  const code = await new Promise<number | null>(resolve => child.on('exit', resolve))
  clearInterval(watch)
  if (code !== 0) throw new Error(`verify ended with ${code}`)
  return { elapsedMs: performance.now() - begun, peakMib }
}

function peakOf(pid: number | undefined): number {
  try {
    return Number(/RssAnon:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024
  } catch {
    return 0
  }
}

/** Reads and hashes every entry of the folder; returns the rate. */
async function readAndHash(dir: string): Promise<number> {
  const reader = await openEmbeddedReader(dir)
  try {
    const begun = performance.now()
    let next = 0
    let folded = 0
    for (;;) {
      const entries = await reader.read('default', next, 5000)
      if (entries.length === 0) break
      for (const { bytes } of entries) folded ^= leafHashOf(nodeSuite, bytes).charCodeAt(0)
      next += entries.length
    }
    if (folded < 0) throw new Error('a character code is never negative')
    return perSecond(next, performance.now() - begun)
  } finally {
    await reader.close()
  }
}

interface JudgeCosts {
  readonly signatureUs: number
  readonly restUs: number
}

/** What one entry costs the verifier on one warm thread: its signature, and all else that the judge looks at. */
async function judgeCosts(dir: string, ledger: BuiltLedger, count: number): Promise<JudgeCosts> {
  const reader = await openEmbeddedReader(dir)
  try {
    const key = fromHex(ledger.publicHex) ?? new Uint8Array()
    const entries = await reader.read('default', 0, count, Number.MAX_SAFE_INTEGER)
    const judgeAll = (under: Uint8Array | undefined): number => {
      const begun = performance.now()
      for (let from = 0; from < entries.length; from += 256) {
        const group = newGroup()
        for (const entry of entries.slice(from, from + 256)) addTo(group, entry, entry.seq, true, under)
        const { remarks } = judgeBatch(nodeSuite, pack(group, []))
        if (remarks.some(({ code }) => code === 'signature-invalid')) throw new Error('a signature does not hold')
      }
      return (1000 * (performance.now() - begun)) / entries.length
    }
    judgeAll(undefined)
    const restUs = judgeAll(undefined)
    return { restUs, signatureUs: judgeAll(key) - restUs }
  } finally {
    await reader.close()
  }
}

/** Folds every lease of the folder in memory; returns the rate and how many families there are. */
async function foldLeases(dir: string): Promise<{ events: number; families: number }> {
  const reader = await openEmbeddedReader(dir)
  try {
    const begun = performance.now()
    const book = new LeaseBook()
    let next = 0
    for (;;) {
      const entries = await reader.read('default', next, 5000)
      if (entries.length === 0) break
      for (const { bytes } of entries) {
        for (const fact of leaseFactsIn(bytes)) book.take(fact)
      }
      next += entries.length
    }
    return { events: perSecond(next, performance.now() - begun), families: book.families.size }
  } finally {
    await reader.close()
  }
}

async function rebuildOnce(dir: string, entries: number): Promise<number> {
  const log = await openEmbedded(dir)
  try {
    const begun = performance.now()
    await rebuildState(log, log.views)
    return perSecond(entries, performance.now() - begun)
  } finally {
    await log.close()
  }
}

/** Time until a service on the folder takes requests; it has been there before, so its views are. */
async function startOnce(dir: string): Promise<number> {
  const begun = performance.now()
  const serving = await serve(dir, {
    AEP_LEDGER_LOG_LEVEL: 'error',
    AEP_LEDGER_SEARCH: 'off',
    AEP_LEDGER_ADMIN_TOKEN: 'bench-token-of-no-worth',
  })
  const elapsedMs = performance.now() - begun
  await serving.stop()
  return elapsedMs
}

export async function benchOffline(print: Print, scale: Scale): Promise<Section> {
  const large = scale === 'full' ? 1_000_000 : 20_000
  const middle = scale === 'full' ? 100_000 : 10_000
  const small = scale === 'full' ? 10_000 : 2_000
  const rounds = scale === 'full' ? 3 : 1
  const cores = availableParallelism()
  const dir = mkdtempSync(join(tmpdir(), 'aep-ledger-bench-'))
  const at = (name: string): string => join(dir, name)
  const median = (values: readonly number[]): number => percentile(values, 0.5)
  try {
    const ledgers = {
      small: await buildLedger(at('small'), small),
      middle: await buildLedger(at('middle'), middle),
      large: await buildLedger(at('large'), large),
    }
    print(`built ledgers of ${small}, ${middle} and ${large} entries`)
    const shares: number[] = []
    const rates: number[] = []
    for (let round = 0; round < rounds; round++) {
      const before = opensslRates(3).verify
      const { elapsedMs } = await verifyOnce(at('middle'), ledgers.middle)
      const bound = (cores * (before + opensslRates(3).verify)) / 2
      rates.push(perSecond(middle, elapsedMs))
      shares.push(perSecond(middle, elapsedMs) / bound)
      print(
        `verify round ${round + 1}: ${rate(perSecond(middle, elapsedMs))}, openssl on ${cores} cores ${rate(bound)}`,
      )
    }
    const costs = await judgeCosts(at('small'), ledgers.small, small)
    const smallRun = await verifyOnce(at('small'), ledgers.small)
    const largeRun = await verifyOnce(at('large'), ledgers.large)
    const growth = largeRun.peakMib - smallRun.peakMib
    print(
      `verify memory: ${smallRun.peakMib.toFixed(0)} MiB at ${small}, ${largeRun.peakMib.toFixed(0)} MiB at ${large}`,
    )
    const reads: number[] = []
    const folds: number[] = []
    const rebuilds: number[] = []
    const starts: number[] = []
    let families = 0
    for (let round = 0; round < rounds; round++) {
      reads.push(await readAndHash(at('large')))
      const fold = await foldLeases(at('large'))
      folds.push(fold.events)
      families = fold.families
      rebuilds.push(await rebuildOnce(at('large'), large))
    }
    await startOnce(at('large'))
    for (let round = 0; round < rounds; round++) starts.push(await startOnce(at('large')))
    const rows: Row[] = [
      {
        what: `\`verify\`, every signature, ${middle.toLocaleString('en')} entries, process start included`,
        figure: `${rate(median(rates))}, ${percent(median(shares))} of openssl's verify rate on ${cores} cores`,
        target: 'at least 85 %',
        met: median(shares) >= 0.85,
        bound: `a signature takes node:crypto ${costs.signatureUs.toFixed(0)} µs of a core; reading the entry whole (UTF-8, JSON, canonical form, schema, identity) takes the same cores ${costs.restUs.toFixed(0)} µs more, and linking and handing over what is left`,
      },
      {
        what: `\`verify\`, ${large.toLocaleString('en')} entries in one go`,
        figure: `${rate(perSecond(large, largeRun.elapsedMs))}`,
      },
      {
        what: `memory of \`verify\`, ${small.toLocaleString('en')} to ${large.toLocaleString('en')} entries`,
        figure: `${smallRun.peakMib.toFixed(0)} to ${largeRun.peakMib.toFixed(0)} MiB`,
        target: 'within 64 MiB',
        met: growth <= 64,
        bound:
          'a short run ends before any heap has grown; after that it is the young generation of the main thread and buffers that wait for collection, while what is kept is 16 to 32 bytes an event',
      },
      {
        what: 'reading and hashing alone, one thread',
        figure: rate(median(reads)),
        target: 'at least 250,000/s',
        met: median(reads) >= 250_000,
      },
      {
        what: `lease fold from stored bytes, ${families.toLocaleString('en')} leases, one thread`,
        figure: rate(median(folds)),
        target: 'at least 200,000/s',
        met: median(folds) >= 200_000,
        bound: 'JSON.parse of the events that name a lease, then reading LMDB',
      },
      {
        what: 'state view rebuilt on disk (leases, keys, emitters)',
        figure: rate(median(rebuilds)),
        target: 'at least 200,000/s',
        met: median(rebuilds) >= 200_000,
        bound: 'on top of the fold, rows are spelled and written, each lease once a step of 5,000 entries',
      },
      {
        what: `start of a service on ${large.toLocaleString('en')} entries, until it takes requests`,
        figure: `${(median(starts) / 1000).toFixed(2)} s`,
        target: 'under 3 s',
        met: median(starts) < 3000,
      },
    ]
    return {
      title: 'A ledger at rest',
      how: `Ledgers of the sample stream built in the embedded log; ${rounds} rounds, medians; openssl before and after each verify.`,
      rows,
    }
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}
