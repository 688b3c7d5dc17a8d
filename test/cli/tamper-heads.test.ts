import assert from 'node:assert/strict'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { openSource } from '../../src/cli/source/open.ts'
import { headValue } from '../../src/log/embedded/environment.ts'
import { openEmbedded } from '../../src/log/embedded/open.ts'
import { LogUnreadable } from '../../src/log/port.ts'
import { overall, type Verdict } from '../../src/verify/report.ts'
import { pinOf, trust, verified } from '../verify/support.ts'
import { ledgerOf, writeFolder } from './folder.ts'
import { cli } from './run.ts'

const ledgers = { 'acme/prod': ledgerOf('acme/prod', 6), 'acme/test': ledgerOf('acme/test', 12) }
type Name = keyof typeof ledgers

/** The head of a ledger as it is stored: behind its name and eight bytes of a version. */
function storedHead(name: Name): Buffer {
  const { seq, leafHash } = pinOf(ledgers[name].at(-1))
  const recordedAt = `2026-01-01T00:00:00.0${String(seq).padStart(2, '0')}Z`
  return headValue({ id: Object.keys(ledgers).indexOf(name) + 1, seq, leafHash, recordedAt } as never)
}

describe('a data folder with two ledgers', () => {
  const dir = mkdtempSync(join(tmpdir(), 'aep-ledger-heads-'))
  const file = join(dir, 'log', 'data.mdb')
  let image = Buffer.alloc(0)
  before(async () => {
    await writeFolder(dir, ledgers)
    image = readFileSync(file)
  })
  after(() => rmSync(dir, { recursive: true, force: true }))

  /** Where `bytes` stand in the file; LMDB may hold pages that are no longer in use. */
  function placesOf(bytes: Uint8Array): number[] {
    const places: number[] = []
    for (let at = image.indexOf(bytes); at >= 0; at = image.indexOf(bytes, at + 1)) places.push(at)
    assert.ok(places.length > 0)
    return places
  }

  /** Writes `bytes` there, runs `use`, and puts the file back as it was. */
  async function changed<T>(places: readonly number[], bytes: Uint8Array, use: () => Promise<T>): Promise<T> {
    const write = (of: (place: number) => Uint8Array) => {
      const open = openSync(file, 'r+')
      for (const place of places) writeSync(open, of(place), 0, bytes.length, place)
      closeSync(open)
    }
    write(() => bytes)
    try {
      return await use()
    } finally {
      write(place => image.subarray(place, place + bytes.length))
    }
  }

  async function judged(): Promise<{ verdict: Verdict; fails: string[]; entries: number }> {
    const opened = await openSource(dir, {}, {} as never)
    try {
      const outcomes = []
      for (const source of opened.sources) outcomes.push(await verified(source, trust))
      const reports = outcomes.map(({ report }) => report)
      const entries = reports.reduce((sum, report) => sum + report.entries, 0)
      return { verdict: overall(reports), fails: outcomes.flatMap(({ fails }) => fails), entries }
    } finally {
      await opened.close()
    }
  }

  it('is verified as it is', async () => {
    assert.deepEqual(await judged(), { verdict: 'verified', fails: [], entries: 18 })
  })

  it('is tampered, whichever byte of a stored head or of its name is changed', async () => {
    for (const name of Object.keys(ledgers) as Name[]) {
      const head = storedHead(name)
      for (const [part, from, length] of [
        ['head', 0, head.length],
        ['name', -8 - name.length, name.length],
      ] as const) {
        for (let at = 0; at < length; at++) {
          const places = placesOf(head).map(place => place + from + at)
          const byte = image[places[0] ?? 0] ?? 0
          for (const flip of [1 << (at % 8), 1 << ((at + 3) % 8)]) {
            const { verdict } = await changed(places, Uint8Array.of(byte ^ flip), judged)
            assert.equal(verdict, 'tampered', `${name}, byte ${at} of its ${part}, bit ${flip}`)
          }
        }
      }
    }
  })

  const headLike = (text: string): Buffer => Buffer.from(text.padEnd(storedHead('acme/test').length))
  const written = (text: string, use: () => Promise<unknown>) =>
    changed(placesOf(storedHead('acme/test')), headLike(text), use)
  const good = () => storedHead('acme/test').toString()

  it('is tampered under a head of any hostile value, and its entries are read to their end', async () => {
    const hostile = [
      'null',
      '[]',
      '7',
      'no JSON',
      '{}',
      good().replace('"seq"', '"seu"'),
      good().replace('"seq":11', '"seq":-1'),
      good().replace('"seq":11', '"seq":.1'),
      good().replace('"seq":11', '"seq":.5'),
      good().replace('"seq":11', '"seq":""'),
      good().replace(/"leafHash":"[0-9a-f]+"/, '"leafHash":5'),
      good().replace('"id":2', '"id":0'),
      good().replace('"id":2', '"id":null').replace('"recordedAt"', '"at"'),
      good().replace('T', ' '),
    ]
    for (const text of hostile) {
      assert.ok(text.length <= storedHead('acme/test').length, text)
      await written(text, async () => {
        const told = await judged()
        assert.deepEqual(told, { verdict: 'tampered', fails: ['source-head-unreadable'], entries: 18 }, text)
      })
    }
  })

  it('is tampered where a head says an earlier place, and what stands behind is read', async () => {
    const { leafHash } = pinOf(ledgers['acme/test'][10])
    const earlier = { id: 2, seq: 10, leafHash, recordedAt: '2026-01-01T00:00:00.010Z' }
    await written(headValue(earlier as never).toString(), async () => {
      assert.deepEqual(await judged(), { verdict: 'tampered', fails: ['source-head'], entries: 18 })
    })
  })

  it('is never written on under a damaged head', async () => {
    await written('null', async () => {
      await assert.rejects(openEmbedded(dir), (error: Error) => {
        assert.ok(error instanceof LogUnreadable)
        assert.match(error.message, /The head of acme\/test is damaged/)
        return true
      })
    })
  })

  it('ends the command line with 10, and never with a crash', async () => {
    for (const text of ['null', good().replace('"seq"', '"seu"')]) {
      await written(text, async () => {
        const { code, out, err } = await cli(['verify', dir])
        assert.equal(code, 10)
        assert.match(out, /source-head-unreadable/)
        assert.equal(err, '')
      })
    }
  })
})
