import assert from 'node:assert/strict'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { hex } from '../../src/base/bytes.ts'

import { entryEnvelope } from '../../src/ledger/signature.ts'
import { openEmbedded } from '../../src/log/embedded/open.ts'
import { readFrame } from '../../src/verify/frame.ts'
import { newFrontier } from '../../src/verify/frontier.ts'
import type { SourceEntry } from '../../src/verify/port.ts'
import { created, decision, key, ledgerName, pinOf, sealed, suite, testKey } from '../verify/support.ts'
import { cli, type Ran, stackLine } from './run.ts'

const entries = sealed([created(), ...Array.from({ length: 20 }, (_, n) => decision(n + 1))])
const head = pinOf(entries.at(-1))
const linesOf = (these: readonly SourceEntry[]) =>
  these.map(entry => `${JSON.stringify(entryEnvelope(entry, readFrame(entry.bytes)?.key_id ?? ''))}\n`).join('')
const withFlip = (n: number) =>
  entries.map((entry, m) => (m === n ? { ...entry, bytes: entry.bytes.with(40, (entry.bytes[40] ?? 0) ^ 1) } : entry))

describe('aep-ledger verify', () => {
  const dir = mkdtempSync(join(tmpdir(), 'aep-ledger-verify-'))
  const file = (name: string, text: string): string => {
    const path = join(dir, name)
    writeFileSync(path, text)
    return path
  }
  const keyFile = (name: string, one = key) =>
    file(name, JSON.stringify({ keys: [{ key_id: one.keyId, alg: 'ed25519', public_hex: one.publicHex }] }))
  const keys = keyFile('keys.json')
  const sound = file('sound.dsse.jsonl', linesOf(entries))
  const data = join(dir, 'data')

  before(async () => {
    const log = await openEmbedded(data)
    const stored = entries.map(entry => ({ ...entry, seq: entry.seq as never }))
    const last = { seq: head.seq as never, leafHash: head.leafHash as never, recordedAt: '2026-01-01T00:00:00.020Z' }
    await log.append({
      ledger: ledgerName,
      entries: stored,
      ids: entries.map((_, n) => ({ source: n === 0 ? 'genesis' : 'urn:gateway:one', id: `event-${n}` })),
      after: { seq: -1 as never, leafHash: '0'.repeat(64) as never },
      head: last,
    })
    await log.close()
  })
  after(() => rmSync(dir, { recursive: true, force: true }))

  const verify = (source: string, ...args: string[]): Promise<Ran> => cli(['verify', source, ...args])
  const exit = async (source: string, ...args: string[]): Promise<number | null> => (await verify(source, ...args)).code

  it('verifies an export and says the verdict first', async () => {
    const { code, out, err } = await verify(sound, '--keys', keys)
    assert.match(out, /^VERIFIED {2}\S+sound\.dsse\.jsonl/)
    assert.match(out, /signature {5}PASS {2}/)
    assert.match(out, new RegExp(`Later entries cannot be excluded.*--head ${ledgerName}@20:${head.leafHash}`))
    assert.equal(err, '')
    assert.equal(code, 0)
  })

  it('verifies every ledger of a data folder, against its own head', async () => {
    const { code, out } = await verify(data, '--keys', keys, '-o', 'json')
    assert.equal(code, 0)
    const { verdict, exit_code, ledgers } = JSON.parse(out)
    assert.deepEqual([verdict, exit_code, ledgers.length], ['verified', 0, 1])
    assert.equal(ledgers[0].ledger, ledgerName)
    assert.equal(ledgers[0].entries, 21)
    assert.equal(ledgers[0].signatures_checked, 21)
    assert.deepEqual(ledgers[0].head, { seq: 20, leaf_hash: head.leafHash, recorded_at: '2026-01-01T00:00:00.020Z' })
  })

  it('names the first bad seq of a tampered export, and ends with 10', async () => {
    const { code, out } = await verify(file('flip.jsonl', linesOf(withFlip(7))), '--keys', keys)
    assert.equal(code, 10)
    assert.match(out, /^TAMPERED/)
    assert.match(out, /first bad seq 7/)
    assert.match(out, /seq 7 {2}(?:signature-invalid|entry-)/)
  })

  it('calls what it could not check incomplete, and ends with 11', async () => {
    const { code, out } = await verify(sound)
    assert.equal(code, 11)
    assert.match(out, /^INCOMPLETE/)
    assert.match(out, /--keys/)
  })

  it('ends with 12 where it is sound and a requirement is not met', async () => {
    assert.equal(await exit(sound, '--keys', keys, '--require-head'), 12)
    assert.equal(await exit(sound, '--keys', keys, '--min-entries', '22'), 12)
    assert.equal(await exit(sound, '--keys', keys, '--require-head', '--head', `20:${head.leafHash}`), 0)
  })

  it('ends with 13 where there is nothing', async () => {
    const { code, out } = await verify(file('empty.jsonl', ''), '--keys', keys)
    assert.equal(code, 13)
    assert.match(out, /^NOTHING TO VERIFY/)
  })

  it('ends with 10 under another key', async () => {
    assert.equal(await exit(sound, '--keys', keyFile('other.json', testKey(3))), 10)
  })

  it('tells a cut tail by a pinned head, by a receipt and by a checkpoint, and not without', async () => {
    const cut = file('cut.jsonl', linesOf(entries.slice(0, 15)))
    assert.equal(await exit(cut, '--keys', keys), 0)
    const { code, out } = await verify(cut, '--keys', keys, '--head', `${ledgerName}@20:${head.leafHash}`, '-o', 'json')
    assert.equal(code, 10)
    assert.equal(JSON.parse(out).ledgers[0].first_bad_seq, 15)
    const receipts = file(
      'receipts.ndjson',
      entries.map(entry => JSON.stringify({ ...receiptOf(entry), status: 'created' })).join('\n'),
    )
    assert.equal(await exit(cut, '--keys', keys, '--receipts', receipts), 10)
    assert.equal(await exit(sound, '--keys', keys, '--receipts', receipts), 0)
    const answer = file('answer.json', JSON.stringify({ items: entries.slice(0, 3).map(receiptOf) }))
    assert.equal(await exit(cut, '--keys', keys, '--receipts', answer), 0)
    const checkpoint = file('checkpoint', checkpointOf(entries))
    assert.equal(await exit(cut, '--keys', keys, '--checkpoint', checkpoint), 10)
    assert.equal(await exit(sound, '--keys', keys, '--checkpoint', checkpoint), 0)
  })

  it('writes several forms at once', async () => {
    const [sarif, junit, lines] = ['out.sarif', 'out.xml', 'out.jsonl'].map(name => join(dir, name)) as [
      string,
      string,
      string,
    ]
    const flipped = file('flip2.jsonl', linesOf(withFlip(3)))
    const { code, out } = await verify(
      flipped,
      '--keys',
      keys,
      '-o',
      'text',
      '-o',
      `sarif=${sarif}`,
      '-o',
      `junit=${junit}`,
      '-o',
      `jsonl=${lines}`,
    )
    assert.equal(code, 10)
    assert.match(out, /^TAMPERED/)
    const log = JSON.parse(readFileSync(sarif, 'utf8'))
    assert.equal(log.version, '2.1.0')
    const [run] = log.runs
    assert.ok(run.results.length > 0)
    for (const result of run.results) assert.equal(run.tool.driver.rules[result.ruleIndex].id, result.ruleId)
    const xml = readFileSync(junit, 'utf8')
    assert.match(xml, /^<\?xml version="1.0" encoding="UTF-8"\?>\n<testsuites/)
    assert.match(xml, /<testcase classname="acme\/prod" name="signature"><failure/)
    assert.match(xml, /name="completeness"><skipped/)
    const kinds = readFileSync(lines, 'utf8')
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line).kind)
    assert.deepEqual([...new Set(kinds)], ['finding', 'ledger', 'verdict'])
  })

  it('explains what is wrong with a command, a file or a value, and shows no stack', async () => {
    const wrong: readonly (readonly [string[], RegExp])[] = [
      [['verify', sound, '--kyes', keys], /Did you mean --keys/],
      [['verfy', sound], /Did you mean verify/],
      [['verify', join(dir, 'none')], /is not there/],
      [['verify', sound, '--keys', sound], /no key file|not JSON/],
      [['verify', sound, '--keys', join(dir, 'none')], /is not there/],
      [['verify', sound, '--head', '12'], /SEQ:HASH/],
      [['verify', sound, '--ledger', ledgerName, '--head', `other@1:${head.leafHash}`], /other, and --ledger/],
      [['verify', sound, '-o', 'yaml'], /text, json, jsonl, sarif, junit/],
      [['verify', sound, '-o', 'json', '-o', 'text'], /Two outputs want stdout/],
      [['verify', sound, '--threads', '0'], /whole number/],
      [['verify', sound, '--checkpoint', keys], /no checkpoint/],
      [['verify', sound, '--receipts', keys], /no receipt/],
      [['verify'], /missing required argument/],
    ]
    for (const [args, says] of wrong) {
      const { code, out, err } = await cli(args)
      assert.match(err, says, args.join(' '))
      assert.equal(out, '')
      assert.equal(code, 2, args.join(' '))
      assert.doesNotMatch(err, stackLine)
    }
  })

  it('names the entry whose bytes were changed in the data file itself', async () => {
    const copy = join(dir, 'copy')
    cpSync(data, copy, { recursive: true })
    const path = join(copy, 'log', 'data.mdb')
    const bytes = readFileSync(path)
    const at = bytes.indexOf('"id":"event-9"')
    assert.ok(at > 0)
    bytes[at + 8] = (bytes[at + 8] ?? 0) ^ 1
    writeFileSync(path, bytes)
    const { code, out } = await verify(copy, '--keys', keys, '-o', 'json')
    assert.equal(code, 10)
    assert.equal(JSON.parse(out).ledgers[0].first_bad_seq, 9)
  })

  it('makes no verdict of a folder that it cannot read', async () => {
    const { code, out, err } = await verify(dir)
    assert.equal(code, 11)
    assert.equal(out, '')
    assert.match(err, /^aep-ledger: .*\n {2}Name the data folder/)
  })
})

const receiptOf = (entry: SourceEntry) => {
  const { seq, leafHash } = pinOf(entry)
  return { id: 'x', source: 'y', seq, leaf_hash: leafHash }
}

function checkpointOf(these: readonly SourceEntry[]): string {
  const frontier = newFrontier(suite)
  for (const { bytes } of these) frontier.add(suite.sha256(Uint8Array.of(0), bytes))
  const root = Buffer.from(hex(frontier.root()), 'hex').toString('base64')
  return `test.example/acme/prod\n${these.length}\n${root}\n\n— test.example/acme/prod AAAA\n`
}
