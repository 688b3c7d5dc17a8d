import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { CliError } from '../../src/cli/exit.ts'
import { remoteOf } from '../../src/cli/settings.ts'
import { inFolder } from './run.ts'

describe('how a service is reached', () => {
  it('is this machine, the ledger default and no token, unless something says otherwise', () => {
    const { url, token, ledger } = remoteOf({}, { AEP_LEDGER_DATA_DIR: '/nonexistent' })
    assert.deepEqual([url, token, ledger], ['http://127.0.0.1:8080', undefined, 'default'])
  })

  it('is said by options before the environment', () => {
    const env = { AEP_LEDGER_URL: 'http://a.example/', AEP_LEDGER_TOKEN: 't', AEP_LEDGER_LEDGER: 'acme' }
    const named = remoteOf({}, env)
    assert.deepEqual([named.url, named.token, named.ledger], ['http://a.example', 't', 'acme'])
    const given = remoteOf({ url: 'https://b.example/x/', ledger: 'other' }, env)
    assert.deepEqual([given.url, given.ledger], ['https://b.example/x', 'other'])
  })

  it('takes the admin token of the data folder to this machine, and nowhere else', async () => {
    await inFolder(dir => {
      writeFileSync(join(dir, 'admin.token'), 'aep_admin\n')
      const env = { AEP_LEDGER_DATA_DIR: dir }
      for (const url of ['http://127.0.0.1:1', 'http://127.9.9.9:1', 'http://localhost:8080', 'http://[::1]:8080']) {
        assert.equal(remoteOf({ url }, env).token, 'aep_admin', url)
      }
      for (const url of [
        'http://127.0.0.1.example',
        'http://localhost.example',
        'http://10.0.0.1',
        'http://[::2]',
        'http://128.0.0.1',
      ]) {
        assert.equal(remoteOf({ url }, env).token, undefined, url)
      }
      const { token, tokenFrom } = remoteOf({ url: 'http://127.0.0.1' }, { ...env, AEP_LEDGER_TOKEN: 'mine' })
      assert.deepEqual([token, tokenFrom], ['mine', 'AEP_LEDGER_TOKEN'])
      return Promise.resolve()
    })
  })

  it('is refused where the address is none, or the token file cannot be read', () => {
    for (const url of ['localhost:8080', 'ftp://x', 'http://'])
      assert.throws(() => remoteOf({ url }, {}), CliError, url)
    assert.throws(() => remoteOf({ tokenFile: '/nonexistent/token' }, {}), /can't be read \(ENOENT\)/)
  })
})
