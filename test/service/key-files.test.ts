import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { fromHex, hex } from '../../src/base/bytes.ts'
import { nodeSuite } from '../../src/crypto/node.ts'
import { keyIdOf, signingInput } from '../../src/ledger/signature.ts'
import { KeyFiles } from '../../src/service/key-files.ts'

const now = new Date('2026-11-01T00:00:00Z')
const later = new Date('2026-11-02T00:00:00Z')

describe('the key files', () => {
  let dir = ''
  beforeEach(() => {
    dir = join(mkdtempSync(join(tmpdir(), 'aep-ledger-keys-')), 'keys')
  })
  afterEach(() => rmSync(join(dir, '..'), { recursive: true }))
  const open = (seed?: string, at = now): KeyFiles => KeyFiles.open(dir, nodeSuite, seed, at)

  it('make the first key on the first start, for its owner alone, and find it again', async () => {
    const key = open().newest()
    const [file] = readdirSync(dir)
    assert.equal(file, `${key.keyId}.json`)
    assert.equal(statSync(join(dir, file)).mode & 0o777, 0o600)
    assert.equal(statSync(dir).mode & 0o777, 0o700)
    assert.equal(open().newest().keyId, key.keyId)
    const publicKey = fromHex(key.publicHex) ?? new Uint8Array()
    assert.equal(key.keyId, keyIdOf(nodeSuite, publicKey))
    const message = new Uint8Array([1, 2, 3])
    const [signature] = await key.signer.sign([message])
    assert.ok(nodeSuite.verify(publicKey, signingInput(message), signature ?? new Uint8Array()))
  })

  it('keep a configured seed off the disk', () => {
    const seed = 'ab'.repeat(32)
    const key = open(seed).newest()
    assert.equal(key.publicHex, hex(nodeSuite.publicKey(fromHex(seed) ?? new Uint8Array())))
    assert.deepEqual(readdirSync(dir), [])
  })

  it('put a newer key before an older and before a configured seed, and forget for good', () => {
    const files = open('ab'.repeat(32))
    const first = files.make(now)
    const second = files.make(later)
    assert.equal(files.newest().keyId, second.keyId)
    files.forget(second.keyId)
    assert.equal(files.newest().keyId, first.keyId)
    assert.deepEqual(readdirSync(dir), [`${first.keyId}.json`])
  })

  it('refuse a file that others can read, that is torn, or whose seed is another key', () => {
    const key = open().newest()
    const path = join(dir, `${key.keyId}.json`)
    const text = readFileSync(path, 'utf8')
    chmodSync(path, 0o644)
    assert.throws(() => open(), /can be read by others: chmod 600/)
    chmodSync(path, 0o600)
    writeFileSync(path, text.slice(0, 40))
    assert.throws(() => open(), /is no key file/)
    writeFileSync(path, text.replace(/"seed_hex":"../, '"seed_hex":"00').replace('"seed_hex":"00', '"seed_hex":"f1'))
    assert.throws(() => open(), /the seed is not that of key/)
  })
})
