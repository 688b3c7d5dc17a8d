import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { describeConfig, loadConfig } from '../../src/service/config.ts'

const errorsOf = (env: Record<string, string>): readonly string[] => {
  const result = loadConfig(env)
  return result.ok ? [] : result.errors
}

const warningsOf = (env: Record<string, string>): readonly string[] => {
  const result = loadConfig(env)
  return result.ok ? result.warnings : []
}

describe('the configuration', () => {
  it('has a sound default for everything that has one', () => {
    const result = loadConfig({ PATH: '/bin' })
    assert.ok(result.ok)
    assert.deepEqual([result.config.HOST, result.config.PORT, result.config.DATA_DIR], ['127.0.0.1', 8080, './data'])
    assert.equal(result.config.ADMIN_TOKEN, undefined)
  })

  it('says everything that is wrong at once, by the name of the variable', () => {
    const errors = errorsOf({
      AEP_LEDGER_PORT: '80a',
      AEP_LEDGER_LOG_LEVEL: 'loud',
      AEP_LEDGER_LEDGER_KEY: 'xyz',
      AEP_LEDGER_ADMIN_TOKEN: 'two words',
    })
    for (const name of ['AEP_LEDGER_PORT', 'AEP_LEDGER_LOG_LEVEL', 'AEP_LEDGER_LEDGER_KEY', 'AEP_LEDGER_ADMIN_TOKEN']) {
      assert.equal(errors.filter(error => error.startsWith(`${name}:`)).length, 1, name)
    }
    assert.equal(errors.length, 4)
  })

  it('takes no database that rows are made again in', () => {
    const of = (name: string) => errorsOf({ AEP_LEDGER_CLICKHOUSE_DATABASE: name }).length
    assert.deepEqual(['aep_ledger_remade', 'x_remade', 'aep_ledger', 'remade_rows'].map(of), [1, 1, 0, 0])
  })

  it('takes no metrics token that opens everything', () => {
    const token = 'a-token-of-sixteen-letters'
    assert.deepEqual(errorsOf({ AEP_LEDGER_METRICS_TOKEN: token }), [])
    const [error = ''] = errorsOf({ AEP_LEDGER_METRICS_TOKEN: token, AEP_LEDGER_ADMIN_TOKEN: token })
    assert.match(error, /^AEP_LEDGER_METRICS_TOKEN: is the admin token/)
  })

  it('takes no number that is not a whole one in range', () => {
    for (const port of ['65536', '-1', '1.5', '', ' 80', '1e3', '0x50'])
      assert.equal(errorsOf({ AEP_LEDGER_PORT: port }).length, 1, port)
    assert.deepEqual(errorsOf({ AEP_LEDGER_PORT: '65535' }), [])
  })

  it('reads a secret from a file, and only a secret', () => {
    const dir = mkdtempSync(join(tmpdir(), 'aep-ledger-config-'))
    try {
      const file = join(dir, 'token')
      writeFileSync(file, 'a-token-of-sixteen-letters\n')
      const result = loadConfig({ AEP_LEDGER_ADMIN_TOKEN_FILE: file })
      assert.ok(result.ok)
      assert.equal(result.config.ADMIN_TOKEN, 'a-token-of-sixteen-letters')
      assert.match(errorsOf({ AEP_LEDGER_ADMIN_TOKEN_FILE: join(dir, 'none') })[0] ?? '', /ENOENT/)
      assert.match(
        errorsOf({ AEP_LEDGER_ADMIN_TOKEN_FILE: file, AEP_LEDGER_ADMIN_TOKEN: 'x'.repeat(16) })[0] ?? '',
        /given twice/,
      )
      assert.match(warningsOf({ AEP_LEDGER_PORT_FILE: file })[0] ?? '', /no such setting/)
    } finally {
      rmSync(dir, { recursive: true })
    }
  })

  it('warns of a name that nobody knows', () => {
    assert.match(warningsOf({ AEP_LEDGER_PROT: '1' })[0] ?? '', /^AEP_LEDGER_PROT: /)
    assert.deepEqual(warningsOf({ AEP_LEDGER_PORT: '1', PATH: '/bin' }), [])
  })

  it('leaves the variables of the clients alone', () => {
    assert.deepEqual(
      warningsOf({ AEP_LEDGER_URL: 'http://127.0.0.1:1', AEP_LEDGER_TOKEN: 'x', AEP_LEDGER_LEDGER: 'a/b' }),
      [],
    )
  })

  it('shows what is in force without showing a secret', () => {
    const result = loadConfig({ AEP_LEDGER_ADMIN_TOKEN: 'a-token-of-sixteen-letters', AEP_LEDGER_PORT: '9' })
    assert.ok(result.ok)
    const lines = describeConfig(result.config)
    assert.ok(lines.includes('AEP_LEDGER_PORT=9'))
    assert.ok(lines.includes('AEP_LEDGER_ADMIN_TOKEN=(set)'))
    assert.ok(!lines.join().includes('sixteen'))
  })
})
