import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { pinOf } from '../verify/support.ts'
import { ledgerOf, writeFolder } from './folder.ts'
import { cli, inFolder } from './run.ts'
import { type Handler, json, problem, withStub } from './stub.ts'

const entries = ledgerOf('acme/prod', 4)
const { seq, leafHash } = pinOf(entries.at(-1))
const pinned = `${seq}:${leafHash}`
const checkpoint = `test.example/acme/prod\n4\n${Buffer.alloc(32, 7).toString('base64')}\n\n— test.example/acme/prod AAAA\n`

/** Exit code, and the codes of what was found. */
async function told(...args: readonly string[]): Promise<readonly [number | null, readonly string[]]> {
  const { code, out, err } = await cli(['verify', ...args, '-o', 'json'])
  assert.equal(err, '')
  const ledgers = JSON.parse(out).ledgers as { findings: { code: string }[] }[]
  const codes = ledgers.flatMap(({ findings }) => findings.map(found => found.code))
  return [code, codes.filter(found => found !== 'keys-missing')]
}

/** Pins for a ledger that is to be gone, each with what it finds. */
function pins(dir: string, ledger: string): readonly (readonly [string[], string])[] {
  const [receipts, note] = [join(dir, 'receipts.json'), join(dir, 'checkpoint')]
  writeFileSync(receipts, JSON.stringify({ seq, leaf_hash: leafHash }))
  writeFileSync(note, checkpoint)
  return [
    [['--head', `${ledger}@${pinned}`], 'head-missing'],
    [['--head', pinned, '--ledger', ledger], 'head-missing'],
    [['--receipts', receipts, '--ledger', ledger], 'receipt-missing'],
    [['--checkpoint', note, '--ledger', ledger], 'checkpoint-missing'],
  ]
}

describe('a ledger that something was pinned for, and that is gone', () => {
  it('is tampered in a data folder and an export that hold no ledger at all', async () => {
    await inFolder(async dir => {
      const [data, file] = [join(dir, 'data'), join(dir, 'empty.jsonl')]
      await writeFolder(data, {})
      writeFileSync(file, '')
      for (const source of [data, file]) {
        assert.deepEqual(await told(source), [13, []])
        for (const [args, code] of pins(dir, 'acme/prod')) {
          assert.deepEqual(await told(source, ...args), [10, [code]], args.join(' '))
          const unnamed = args.filter(arg => arg !== '--ledger' && arg !== 'acme/prod')
          assert.deepEqual(await told(source, ...unnamed), [10, [code]], unnamed.join(' '))
        }
      }
    })
  })

  it('is tampered beside ledgers that are there', async () => {
    await inFolder(async dir => {
      const data = join(dir, 'data')
      await writeFolder(data, { 'acme/prod': entries })
      for (const [args, code] of pins(dir, 'acme/gone')) {
        assert.deepEqual(await told(data, ...args), [10, [code]], args.join(' '))
      }
      const both = ['--head', `acme/prod@${pinned}`, '--head', `acme/gone@${pinned}`]
      assert.deepEqual(await told(data, ...both), [10, ['head-missing']])
    })
  })

  it('is tampered at a service that says it has no such ledger, and is asked for by name', async () => {
    const service: Handler = ({ path }, answer) =>
      path === '/v1/ledgers' ? json(answer, { items: [] }) : problem(answer, 404, 'ledger-unknown')
    await inFolder(dir =>
      withStub(service, async ({ url, asked }) => {
        for (const [args, code] of pins(dir, 'acme/gone')) {
          asked.length = 0
          assert.deepEqual(await told(url, ...args), [10, [code]], args.join(' '))
          assert.ok(asked.some(({ path }) => path === '/v1/ledgers/acme%2Fgone'))
        }
        assert.deepEqual(await told(url, '--head', pinned), [10, ['head-missing']])
        assert.deepEqual(await told(url), [13, []])
      }),
    )
  })

  it('is nothing to verify where it is only named', async () => {
    await inFolder(async dir => {
      await writeFolder(dir, {})
      assert.deepEqual(await told(dir, '--ledger', 'acme/gone'), [13, []])
    })
  })
})
