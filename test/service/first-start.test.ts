import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { originIn } from '../../src/ledger/origin.ts'
import { openEmbedded } from '../../src/log/embedded/open.ts'
import { loadConfig } from '../../src/service/config.ts'
import { ensureIntakeKey, keepOrigin, OriginDiffers } from '../../src/service/first-start.ts'
import { startService } from '../../src/service/start.ts'
import { ledgerOf, writeFolder } from '../cli/folder.ts'

describe('the key of intake', () => {
  const dir = mkdtempSync(join(tmpdir(), 'aep-ledger-first-'))
  after(() => rmSync(dir, { recursive: true, force: true }))

  it('is made once where none is given, of 32 bytes, for its owner alone', () => {
    const made = ensureIntakeKey(dir)
    assert.equal(made.length, 32)
    assert.ok(made.some(byte => byte !== 0))
    assert.deepEqual(ensureIntakeKey(dir), made)
    assert.equal(statSync(join(dir, 'intake.key')).mode & 0o777, 0o600)
  })

  it('is not made anew where a file of that name holds something else', () => {
    writeFileSync(join(dir, 'intake.key'), 'ab')
    assert.throws(() => ensureIntakeKey(dir), /is no intake key: restore it/)
  })
})

describe('the name of an installation', () => {
  const dir = mkdtempSync(join(tmpdir(), 'aep-ledger-named-'))
  after(() => rmSync(dir, { recursive: true, force: true }))

  /** Starts a service under that name, has it make a ledger, and says which name that has. */
  async function nameOf(data: string, ledger: string, origin?: string): Promise<string> {
    const token = 'the-token-of-the-environment'
    const quiet = { AEP_LEDGER_PORT: '0', AEP_LEDGER_SEARCH: 'off', AEP_LEDGER_LOG_LEVEL: 'fatal' }
    const named = origin === undefined ? {} : { AEP_LEDGER_ORIGIN: origin }
    const loaded = loadConfig({
      ...quiet,
      ...named,
      AEP_LEDGER_DATA_DIR: join(dir, data),
      AEP_LEDGER_ADMIN_TOKEN: token,
    })
    assert.ok(loaded.ok)
    const service = await startService(loaded.config)
    try {
      const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
      const body = JSON.stringify({ name: ledger })
      assert.equal((await fetch(`${service.url}/v1/ledgers`, { method: 'POST', headers, body })).status, 201)
    } finally {
      await service.close()
    }
    const log = await openEmbedded(join(dir, data))
    const [first] = await log.read(ledger, 0, 1)
    await log.close()
    return originIn(first?.bytes ?? new Uint8Array(), ledger) ?? ''
  }

  it('is fixed by its first start: another one is refused, and none is needed any more', async () => {
    assert.equal(await nameOf('first', 'one', 'first.example'), 'first.example')
    await assert.rejects(nameOf('first', 'two', 'other.example'), (error: unknown) => {
      assert.ok(error instanceof OriginDiffers)
      assert.match(
        error.message,
        /^AEP_LEDGER_ORIGIN is other\.example, and .* was made as first\.example, .* leave .* out/,
      )
      return true
    })
    assert.equal(await nameOf('first', 'three'), 'first.example')
    assert.equal(await nameOf('first', 'four', 'first.example'), 'first.example')
  })

  it('that was made with a random part is as fixed', async () => {
    const made = await nameOf('random', 'one')
    assert.match(made, /^ledger-[0-9a-f]{16}\.invalid$/)
    await assert.rejects(nameOf('random', 'two', 'other.example'), new RegExp(`was made as ${made}`))
    assert.equal(await nameOf('random', 'three'), made)
  })

  it('may be that of ledgers which were brought there', async () => {
    const data = join(dir, 'brought')
    await writeFolder(data, { 'acme/prod': ledgerOf('acme/prod', 2) })
    keepOrigin(data, 'own.example')
    assert.equal(await nameOf('brought', 'one', 'test.example'), 'test.example')
    assert.equal(await nameOf('brought', 'two'), 'own.example')
    await assert.rejects(nameOf('brought', 'three', 'other.example'), OriginDiffers)
  })
})
