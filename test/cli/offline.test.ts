import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { entryEnvelope } from '../../src/ledger/signature.ts'
import { conformanceDir, conformanceLines, conformanceSkip, conformanceText } from '../support/conformance.ts'
import { created, decision, key, sealed, testKey } from '../verify/support.ts'
import { cli, inFolder, stackLine } from './run.ts'
import { json, withStub } from './stub.ts'

const [, entry] = sealed([created(), decision(1)])
if (entry === undefined) throw new Error('no entry')
const text = new TextDecoder().decode(entry.bytes)
const keysOf = (one: typeof key) => JSON.stringify([{ key_id: one.keyId, public_hex: one.publicHex }])

describe('aep-ledger inspect', () => {
  const explain = (input: string, ...args: string[]) => cli(['inspect', '-', ...args], { input })

  it('explains an envelope, and checks its signature with keys', async () => {
    await inFolder(async dir => {
      const keys = join(dir, 'keys.json')
      writeFileSync(keys, keysOf(key))
      const envelope = JSON.stringify(entryEnvelope(entry, key.keyId))
      const { code, out } = await explain(envelope, '--keys', keys)
      assert.equal(code, 0)
      assert.match(out, /^an exported entry: entry 1 of ledger acme\/prod/)
      assert.match(out, /check +holds under key/)
      assert.match(out, /read as: decision/)
      const other = join(dir, 'other.json')
      writeFileSync(other, JSON.stringify([{ key_id: key.keyId, public_hex: testKey(8).publicHex }]))
      const bad = await explain(envelope, '--keys', other)
      assert.equal(bad.code, 10)
      assert.match(bad.out, /DOES NOT HOLD/)
      assert.match((await explain(envelope)).out, /not checked: key .* is not given/)
    })
  })

  it('tells entry, event, receipt, key file and record apart', async () => {
    const event = JSON.stringify(decision(1).event)
    const told: readonly (readonly [string, string, number])[] = [
      [text, 'entry', 0],
      [event, 'event', 0],
      [event.replace('allow', 'maybe'), 'event', 10],
      ['{"seq":1,"leaf_hash":"00","status":"created"}', 'receipt', 0],
      [`{"keys":${keysOf(key)}}`, 'keys', 0],
      ['{"schema_version":"aep/v0.1","run_id":"r"}', 'record', 10],
      ['{"what":"ever"}', 'unknown', 10],
      ['not json', 'unknown', 10],
    ]
    for (const [input, kind, exit] of told) {
      const { code, out } = await explain(input, '-o', 'json')
      assert.equal(JSON.parse(out).kind, kind, input)
      assert.equal(code, exit, input)
    }
  })

  it('explains each line of a file of lines', async () => {
    const { out } = await explain(`${text}\n${text}\n`, '-o', 'json')
    assert.equal(JSON.parse(out).length, 2)
  })

  it('takes one entry out of an export by its seq', async () => {
    await inFolder(async dir => {
      const file = join(dir, 'x.jsonl')
      const entries = sealed([created(), decision(1), decision(2)])
      writeFileSync(file, entries.map(one => `${JSON.stringify(entryEnvelope(one, key.keyId))}\n`).join(''))
      const { out } = await cli(['inspect', file, '--seq', '2', '--ledger', 'acme/prod'])
      assert.match(out, /^entry 2 of ledger acme\/prod/)
      const none = await cli(['inspect', file, '--seq', '9', '--ledger', 'acme/prod'])
      assert.equal(none.code, 13)
    })
  })
})

describe('aep-ledger aep verify', { skip: conformanceSkip }, () => {
  interface Vector {
    readonly input: { readonly text?: string }
    readonly expected: { readonly verdict: string }
    readonly keyring?: readonly string[]
  }
  const accepted = conformanceSkip
    ? []
    : (conformanceLines('vectors/valid-records.jsonl') as Vector[])
        .filter(({ input }) => input.text !== undefined)
        .slice(0, 8)
  const signed = accepted.map(({ input }) => input.text ?? '')

  it('judges files, lines, folders and stdin, a line of JSON each', async () => {
    await inFolder(async dir => {
      const keys = join(conformanceDir, 'keys.json')
      mkdirSync(join(dir, 'more'))
      writeFileSync(join(dir, 'records.jsonl'), signed.join('\n'))
      writeFileSync(join(dir, 'more', 'one.json'), signed[0] ?? '')
      writeFileSync(join(dir, 'notes.txt'), 'not read')
      const { code, out, err } = await cli(['aep', 'verify', dir, '--keys', keys, '-o', 'jsonl'])
      assert.equal(code, 0, out)
      const told = out
        .trimEnd()
        .split('\n')
        .map(line => JSON.parse(line))
      assert.equal(told.length, signed.length + 1)
      assert.ok(told.every(({ verdict }) => verdict === 'accept'))
      assert.deepEqual(Object.keys(told[0]).slice(0, 5), ['path', 'line', 'verdict', 'reasons', 'findings'])
      assert.match(err, /9 records accepted, 0 rejected/)
      const piped = await cli(['aep', 'verify', '-', '--keys', keys], { input: signed.join('\n') })
      assert.equal(piped.out.trimEnd().split('\n').length, signed.length)
    })
  })

  it('ends with 10 for a rejected record, 11 without keys, 13 without records, 2 without a file', async () => {
    const tampered = signed.find(one => one.includes('"signature"'))?.replace('"run_id":"', '"run_id":"x') ?? ''
    const keys = join(conformanceDir, 'keys.json')
    const bad = await cli(['aep', 'verify', '-', '--keys', keys, '-o', 'text'], { input: tampered })
    assert.equal(bad.code, 10)
    assert.match(bad.out, /^reject {2}-:1 {2}\S*signature/)
    const some = signed.filter(one => one.includes('"signature"')).join('\n')
    assert.equal((await cli(['aep', 'verify', '-'], { input: some })).code, 11)
    await inFolder(async dir => {
      const others = join(dir, 'keys.json')
      writeFileSync(others, keysOf(testKey(8)))
      const unknown = await cli(['aep', 'verify', '-', '--keys', others], { input: some })
      assert.equal(JSON.parse(unknown.out.split('\n')[0] ?? '').reasons[0], 'key-unknown')
      assert.match(unknown.err, / rejected\n$/)
      assert.equal(unknown.code, 10)
    })
    assert.equal((await cli(['aep', 'verify', '-'])).code, 13)
    assert.equal((await cli(['aep', 'verify', '/nonexistent'])).code, 2)
  })

  it('judges a file as a chain when asked', async () => {
    const keys = join(conformanceDir, 'keys.json')
    const args = ['aep', 'verify', '--keys', keys, '--chain', '-o', 'jsonl']
    const good = await cli([...args, join(conformanceDir, 'chains/valid/v0.3-emitter-50.jsonl')])
    assert.equal(good.code, 0)
    assert.equal(JSON.parse(good.out).count, 50)
    const bad = await cli([...args, join(conformanceDir, 'chains/invalid/v0.3-remove-middle.jsonl')])
    assert.equal(bad.code, 10)
    assert.equal(typeof JSON.parse(bad.out).first_bad_index, 'number')
  })
})

describe('aep-ledger aep conformance', { skip: conformanceSkip }, () => {
  it('prints a line an item of the folder, and ends with 0 when it ran', async () => {
    const { code, out, err } = await cli(['aep', 'conformance', conformanceDir, '-o', 'jsonl'])
    assert.equal(code, 0)
    const items = out
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line))
    const chains = JSON.parse(conformanceText('chains/index.json')) as unknown[] | { chains: unknown[] }
    const chainCount = Array.isArray(chains) ? chains.length : chains.chains.length
    assert.equal(items.filter(({ id }) => String(id).startsWith('chains/')).length, chainCount)
    for (const item of items) {
      assert.deepEqual(Object.keys(item).slice(0, 5), ['id', 'verdict', 'reasons', 'findings', 'first_bad_index'])
    }
    assert.match(err, new RegExp(`^${items.length.toLocaleString('en-US')} items: \\d+ as the folder expects`))
  })

  it('ends with 10 for a verdict that must be another, 0 for one that should, 11 for a file that is not there', async () => {
    const [line = ''] = conformanceText('vectors/valid-records.jsonl').split('\n')
    const vector = JSON.parse(line)
    const run = async (level: string, kind: string, file = 'one.jsonl') =>
      inFolder(async dir => {
        // The folder gives no keys, so that no record in it is accepted.
        const expected = { verdict: 'accept', level }
        writeFileSync(join(dir, 'one.jsonl'), JSON.stringify({ ...vector, kind, expected }))
        const files = [{ file, kind: 'record', shape: 'record-vector' }]
        writeFileSync(join(dir, 'manifest.json'), JSON.stringify({ files }))
        return (await cli(['aep', 'conformance', dir])).code
      })
    assert.equal(await run('must', vector.kind), 10)
    assert.equal(await run('should', vector.kind), 0)
    assert.equal(await run('must', 'of no kind'), 11)
    assert.equal(await run('must', vector.kind, 'gone.jsonl'), 11)
  })

  it('ends with 2 where there is no such folder', async () => {
    const { code, err } = await cli(['aep', 'conformance', '/nonexistent'])
    assert.equal(code, 2)
    assert.match(err, /no manifest\.json/)
  })
})

describe('aep-ledger doctor', () => {
  it('tells what it looked at, and finds nothing wrong without a service', async () => {
    const { code, out } = await cli(['doctor', '--url', 'http://127.0.0.1:9', '-o', 'json'])
    const { checks } = JSON.parse(out)
    const states = Object.fromEntries(checks.map(({ name, state }: { name: string; state: string }) => [name, state]))
    assert.deepEqual([states['node'], states['data folder'], states['service']], ['ok', 'note', 'note'])
    assert.equal(code, 0)
  })

  it('ends with 10 when something is wrong', async () => {
    await withStub(
      (_, answer) => json(answer, {}, 500),
      async ({ url }) => {
        const { code, out } = await cli(['doctor', '--url', url])
        assert.equal(code, 10, out)
        assert.match(out, /bad {3}service/)
      },
    )
    await inFolder(async dir => {
      mkdirSync(join(dir, 'log'))
      writeFileSync(join(dir, 'log', 'format.json'), '{"format":"something else"}')
      const { code, out, err } = await cli(['doctor', '--data-dir', dir, '--url', 'http://127.0.0.1:9'])
      assert.equal(code, 10)
      assert.match(out, /bad {3}log/)
      assert.doesNotMatch(err, stackLine)
    })
  })
})

describe('aep-ledger', () => {
  it('prints completion for each shell', async () => {
    for (const shell of ['bash', 'zsh', 'fish', 'powershell']) {
      const { code, out } = await cli(['completion', shell])
      assert.equal(code, 0)
      assert.ok(out.includes('aep-ledger'), shell)
    }
    const { out } = await cli(['complete', '--', 'ver'])
    assert.match(out, /^verify\t/)
  })

  it('explains every verb with examples', async () => {
    const { code, out } = await cli(['--help'])
    assert.equal(code, 0)
    const verbs = [...out.matchAll(/^ {2}([a-z]+)(?: \[options\])?(?: [<[]\S+)? {2,}/gm)].map(([, verb = '']) => verb)
    assert.ok(verbs.length >= 13, verbs.join(' '))
    for (const verb of [
      'serve',
      'emit',
      'tail',
      'query',
      'leases',
      'verify',
      'export',
      'inspect',
      'doctor',
      'completion',
    ]) {
      assert.ok(verbs.includes(verb), verb)
      assert.match((await cli([verb, '--help'])).out, /\nExamples:\n {2}# .*\n {2}\$ aep-ledger/, verb)
    }
  })

  it('says its version, and nothing of a stack unless it is asked to', async () => {
    assert.match((await cli(['--version'])).out, /^\d+\.\d+\.\d+\n$/)
    const plain = await cli(['verify', '/nonexistent'])
    assert.doesNotMatch(plain.err, stackLine)
    const debug = await cli(['verify', '/nonexistent'], { env: { AEP_LEDGER_DEBUG: '1' } })
    assert.match(debug.err, stackLine)
  })

  it('tells what is wrong with a configuration, all of it, and starts nothing', async () => {
    const env = { AEP_LEDGER_PORT: 'high', AEP_LEDGER_DEPTH_MAX: '0' }
    for (const verb of ['serve', 'config']) {
      const { code, err } = await cli([verb], { env })
      assert.equal(code, 2)
      assert.match(err, /AEP_LEDGER_PORT.*\n.*AEP_LEDGER_DEPTH_MAX/)
    }
  })

  it('prints the configuration in force, and no secret of it', async () => {
    const env = { AEP_LEDGER_PORT: '1234', AEP_LEDGER_ADMIN_TOKEN: 'a-token-nobody-may-see' }
    const { code, out, err } = await cli(['config'], { env })
    assert.equal(code, 0)
    assert.match(out, /AEP_LEDGER_PORT=1234/)
    assert.doesNotMatch(out + err, /a-token-nobody/)
  })
})
