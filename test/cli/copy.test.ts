import assert from 'node:assert/strict'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { serve } from '../../infra/serve.ts'
import type { StoredEntry } from '../../src/ledger/entry.ts'
import { openEmbedded, openEmbeddedReader } from '../../src/log/embedded/open.ts'
import type { LogReader } from '../../src/log/port.ts'
import type { SourceEntry } from '../../src/verify/port.ts'
import { created, decision, key, pinOf, sealed } from '../verify/support.ts'
import { cutShort } from './cut-short.ts'
import { digestOf, ledgerOf, writeFolder } from './folder.ts'
import { cli, type Ran, stackLine } from './run.ts'

const dir = mkdtempSync(join(tmpdir(), 'aep-ledger-copy-'))
after(() => rmSync(dir, { recursive: true, force: true }))

let names = 0
const newPlace = (): string => join(dir, `place-${++names}`)
const keys = join(dir, 'keys.json')
writeFileSync(keys, JSON.stringify({ keys: [{ key_id: key.keyId, alg: 'ed25519', public_hex: key.publicHex }] }))

const copy = (...args: readonly string[]): Promise<Ran> => cli(['copy', ...args])
const exitOf = async (...args: readonly string[]): Promise<number | null> => (await cli(args)).code

const all = (log: LogReader, ledger: string): Promise<readonly StoredEntry[]> =>
  log.read(ledger, 0, 1_000_000, Number.MAX_SAFE_INTEGER)
async function entriesIn(folder: string, ledger: string): Promise<readonly StoredEntry[]> {
  const reader = await openEmbeddedReader(folder)
  try {
    return await all(reader, ledger)
  } finally {
    await reader.close()
  }
}
const stored = (entries: readonly SourceEntry[]) =>
  entries.map(({ seq, bytes, signature }) => ({ seq, bytes, signature: new Uint8Array(signature) }))

describe('aep-ledger copy', () => {
  const source = join(dir, 'source')
  const small = ledgerOf('acme/prod', 21)
  const large = ledgerOf('default', 2_500)
  before(() => writeFolder(source, { 'acme/prod': small, default: large }))

  it('copies every ledger as it is, and says that the copy was read back; run again, it copies nothing', async () => {
    const target = newPlace()
    const first = await copy(source, target, '--keys', keys)
    assert.equal(first.code, 0, first.err)
    assert.match(first.out, /^VERIFIED .* 2 ledgers · 2,521 entries copied/)
    assert.match(first.out, new RegExp(`the same to seq 2499 \\(leaf hash ${pinOf(large.at(-1)).leafHash}\\)`))
    assert.match(first.out, /signing keys do not come along/)
    assert.match(first.out, /keeps the name of the installation, test\.example\./)
    assert.deepEqual(await entriesIn(target, 'acme/prod'), stored(small))
    assert.equal(digestOf(await entriesIn(target, 'default')), digestOf(large))
    assert.equal(
      await exitOf('verify', target, '--keys', keys, '--head', `default@2499:${pinOf(large.at(-1)).leafHash}`),
      0,
    )
    const again = await copy(source, target, '--keys', keys, '-o', 'json')
    const { verdict, exit_code, ledgers } = JSON.parse(again.out)
    assert.deepEqual([again.code, verdict, exit_code], [0, 'verified', 0])
    assert.deepEqual(
      ledgers.map((it: Record<string, unknown>) => [it['ledger'], it['already'], it['copied'], it['same_as_source']]),
      [
        ['acme/prod', 21, 0, true],
        ['default', 2_500, 0, true],
      ],
    )
  })

  it('gives a target that has no name that of its ledgers, and leaves one that has', async () => {
    const [nameless, named] = [newPlace(), newPlace()]
    mkdirSync(named)
    writeFileSync(join(named, 'origin'), 'own.example\n')
    for (const target of [nameless, named]) await copy(source, target, '--keys', keys, '--ledger', 'acme/prod')
    assert.equal(readFileSync(join(nameless, 'origin'), 'utf8'), 'test.example\n')
    assert.equal(readFileSync(join(named, 'origin'), 'utf8'), 'own.example\n')
    const { out } = await copy(source, named, '--keys', keys, '--ledger', 'acme/prod')
    assert.match(
      out,
      /The target is called own\.example; they come from test\.example\.\n.* AEP_LEDGER_ORIGIN=test\.example /,
    )
  })

  it('gives a target no name by what it did not copy', async () => {
    const [bad, target] = [newPlace(), newPlace()]
    await writeFolder(bad, { 'acme/prod': small.map(entry => ({ ...entry, signature: flip(entry.signature) })) })
    assert.equal((await copy(bad, target, '--keys', keys)).code, 10)
    assert.ok(!existsSync(join(target, 'origin')))
  })

  it('copies the ledgers that are named alone', async () => {
    const target = newPlace()
    assert.equal((await copy(source, target, '--keys', keys, '--ledger', 'acme/prod')).code, 0)
    const reader = await openEmbeddedReader(target)
    assert.deepEqual(await reader.ledgers(), ['acme/prod'])
    await reader.close()
  })

  it('without keys copies, and calls it incomplete; with --require-verified it does not copy', async () => {
    const target = newPlace()
    const { code, out } = await copy(source, target, '--ledger', 'acme/prod')
    assert.equal(code, 11)
    assert.match(out, /^INCOMPLETE/)
    assert.match(out, /All is copied\. Who signed it was not checked/)
    assert.equal((await entriesIn(target, 'acme/prod')).length, 21)
    const none = newPlace()
    const refused = await copy(source, none, '--require-verified')
    assert.equal(refused.code, 11)
    assert.match(refused.err, /Without --keys nothing is verified/)
    assert.ok(!existsSync(none))
    assert.equal((await copy(source, none, '--require-verified', '--keys', keys, '--ledger', 'acme/prod')).code, 0)
  })

  it('goes on after kill -9 where it was, and has every entry once', async () => {
    const long = newPlace()
    const entries = ledgerOf('default', 12_000)
    await writeFolder(long, { default: entries })
    const target = newPlace()
    await cutShort([long, target, '--keys', keys], target)
    const had = (await entriesIn(target, 'default')).length
    assert.ok(had >= 1_000 && had < entries.length, `cut with ${had} of ${entries.length}`)
    const { code, out } = await copy(long, target, '--keys', keys, '-o', 'json')
    assert.equal(code, 0)
    const [{ already, copied }] = JSON.parse(out).ledgers
    assert.deepEqual([already, copied], [had, entries.length - had])
    assert.equal(digestOf(await entriesIn(target, 'default')), digestOf(entries))
  })

  it('refuses a target with another history, says from where on, and writes nothing', async () => {
    const target = newPlace()
    const other = sealed([created(), ...[1, 2, 3, 400, 5].map(n => decision(n))])
    await writeFolder(target, { 'acme/prod': other })
    const { code, err } = await copy(source, target, '--keys', keys)
    assert.equal(code, 10)
    assert.match(err, /holds another history of acme\/prod from seq 4 on\. Nothing was written/)
    assert.deepEqual(await entriesIn(target, 'acme/prod'), stored(other))
    assert.deepEqual(await entriesIn(target, 'default'), [])
  })

  it('refuses a target that is ahead of the source', async () => {
    const [target, behind] = [newPlace(), newPlace()]
    await writeFolder(behind, { 'acme/prod': small.slice(0, 9) })
    await writeFolder(target, { 'acme/prod': small })
    const { code, err } = await copy(behind, target, '--keys', keys)
    assert.equal(code, 2)
    assert.match(err, /goes on in \S+ at seq 9, where that of the source ends/)
    assert.equal((await copy(target, behind, '--keys', keys)).code, 0)
  })

  it('copies a tampered ledger up to its first bad entry, and the others whole', async () => {
    const tampered = newPlace()
    const changed = large.map((entry, n) => (n === 1_717 ? { ...entry, bytes: flip(entry.bytes) } : entry))
    await writeFolder(tampered, { 'acme/prod': small, default: changed })
    for (const trust of [[], ['--keys', keys]]) {
      const target = newPlace()
      const { code, out } = await copy(tampered, target, ...trust)
      assert.equal(code, 10)
      assert.match(out, /^TAMPERED/)
      assert.match(out, /seq 1717 {2}event-malformed/)
      assert.match(out, /the same to seq 1716 /)
      assert.doesNotMatch(out, /takes the copy over/)
      assert.equal(digestOf(await entriesIn(target, 'default')), digestOf(large.slice(0, 1_717)))
      assert.equal((await entriesIn(target, 'acme/prod')).length, 21)
    }
  })

  it('copies nothing that another key signed than the one it is to trust', async () => {
    const target = newPlace()
    const other = join(dir, 'other-keys.json')
    writeFileSync(other, await pinnedOf(await servedOnce(newPlace())))
    const { code, out } = await copy(source, target, '--keys', other, '--ledger', 'acme/prod', '-o', 'json')
    assert.equal(code, 10)
    assert.equal(JSON.parse(out).ledgers[0].stopped_at.code, 'key-unknown')
    assert.equal(JSON.parse(out).ledgers[0].head, null)
  })

  it('refuses to copy a place onto itself, whatever it is called', async () => {
    const link = join(dir, 'link')
    symlinkSync(source, link)
    for (const target of [source, `${source}/`, link]) {
      const { code, err } = await copy(source, target)
      assert.deepEqual([code, /are the same place/.test(err)], [2, true], target)
    }
    assert.equal((await copy('kafka://localhost:9092', 'kafka://127.0.0.1:9092/aep')).code, 2)
  })

  it('says what is wrong with a place, and what to do', async () => {
    const file = join(dir, 'a-file')
    writeFileSync(file, '')
    const [foreign, replica, empty] = [newPlace(), newPlace(), newPlace()]
    for (const [folder, name] of [
      [foreign, 'letters.txt'],
      [replica, 'kafka.json'],
    ] as const) {
      mkdirSync(folder)
      writeFileSync(join(folder, name), '{}')
    }
    const cases: readonly (readonly [readonly string[], number, RegExp])[] = [
      [[empty, newPlace()], 2, /There is no log in .*\n.*holds log\//],
      [['http://127.0.0.1:1', newPlace()], 2, /no place to copy from or to.*\n.*export/],
      [[source, 'ftp://nowhere'], 2, /no place to copy/],
      [[source, 'kafka://nowhere'], 2, /no address of Kafka/],
      [[source, file], 2, /a-file is no folder/],
      [[source, foreign], 2, /holds letters\.txt, and is no data folder/],
      [[source, replica], 2, /holds a replica of a log in Kafka/],
      [[source, newPlace(), '--ledger', 'acme/test'], 2, /no ledger acme\/test in .*\n.*acme\/prod, default/],
      [[source, newPlace(), '--data-dir', empty], 2, /--data-dir is for a target in Kafka/],
      [[source, newPlace(), '--partitions', '3'], 2, /--partitions is for a target in Kafka/],
      [[source, newPlace(), '--replication', '3'], 2, /--replication is for a target in Kafka/],
      [[source, 'kafka://127.0.0.1:1', '--data-dir', source], 2, /is the source/],
      [['kafka://127.0.0.1:1', newPlace()], 75, /can't be read.*\n.*Is a broker there\?/],
      [[source, newPlace(), '--keys', file], 2, /a-file is not JSON/],
    ]
    for (const [args, exit, says] of cases) {
      const { code, out, err } = await copy(...args)
      assert.deepEqual([code, out], [exit, ''], args.join(' '))
      assert.match(err, says)
      assert.doesNotMatch(err, stackLine)
    }
  })

  it('waits for nobody who writes the target: that is an error to try again after', async () => {
    const target = newPlace()
    const log = await openEmbedded(target)
    const { code, err } = await copy(source, target)
    await log.close()
    assert.equal(code, 75)
    assert.match(err, /in use|writes|holds/)
  })

  it('of a folder without any ledger is nothing to be called verified', async () => {
    const bare = newPlace()
    await (await openEmbedded(bare)).close()
    assert.equal((await copy(bare, newPlace(), '--keys', keys)).code, 13)
  })
})

describe('a service on a copy', () => {
  it('goes on with the ledger, with records, tokens and keys that were brought', async () => {
    const [source, target] = [newPlace(), newPlace()]
    const record = JSON.stringify({ schema_version: 'aep/v0.3', payload: 'ö'.repeat(60_000) })
    const first = await serve(source, quiet)
    const placed = await send(first, [event('1'), { ...event('2'), type: 'aep.record', data: { record } }])
    const whileItRuns = await copy(source, target, '--tokens')
    assert.equal(whileItRuns.code, 11, whileItRuns.err)
    assert.match(whileItRuns.out, /1 token came along/)
    await send(first, [event('3')])
    await first.stop()
    const pinned = join(dir, 'pinned.json')
    writeFileSync(pinned, await pinnedOf(source))
    const rest = await copy(source, target, '--keys', pinned, '-o', 'json')
    assert.equal(rest.code, 0, rest.err)
    const [{ already, copied, origin }] = JSON.parse(rest.out).ledgers
    assert.deepEqual([already, copied], [3, 1])

    for (const name of ['keys', 'admin.token']) cpSync(join(source, name), join(target, name), { recursive: true })
    const second = await serve(target, quiet)
    try {
      const headers = { authorization: `Bearer ${second.token}` }
      const read = await fetch(`${second.url}/v1/ledgers/default/entries/${placed[1]?.seq}/record`, { headers })
      assert.equal(await read.text(), record)
      const again = await send(second, [event('1'), event('4')])
      assert.deepEqual(
        again.map(({ status, seq }) => [status, seq]),
        [
          ['duplicate', 1],
          ['created', 4],
        ],
      )
    } finally {
      await second.stop()
    }
    for (const folder of [source, target]) assert.equal(readFileSync(join(folder, 'origin'), 'utf8').trim(), origin)
    assert.equal(await exitOf('verify', target, '--keys', pinned), 0)
  })
})

const quiet = { AEP_LEDGER_SEARCH: 'off', AEP_LEDGER_LOG_LEVEL: 'error' }

const event = (id: string): Record<string, unknown> => ({
  ...{ specversion: '1.0', id, source: 'urn:gateway:copy', type: 'aep.decision', time: '2026-01-01T00:00:00Z' },
  data: { decision: 'allow' },
})

async function send(
  { url, token }: { readonly url: string; readonly token: string },
  events: readonly Record<string, unknown>[],
): Promise<readonly { readonly status: string; readonly seq: number }[]> {
  const response = await fetch(`${url}/v1/ledgers/default/events`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/cloudevents-batch+json' },
    body: JSON.stringify(events),
  })
  const body = (await response.json()) as { items: { status: string; seq: number }[] }
  assert.equal(response.status, 201, JSON.stringify(body))
  return body.items
}

/** A data folder that a service has made and left. */
async function servedOnce(folder: string): Promise<string> {
  await (await serve(folder, quiet)).stop()
  return folder
}

async function pinnedOf(folder: string): Promise<string> {
  const { code, out, err } = await cli(['keys', 'export', folder])
  assert.equal(code, 0, err)
  return out
}

const flip = (bytes: Uint8Array): Uint8Array => bytes.with(40, (bytes[40] ?? 0) ^ 1)
