import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { loadConfig } from '../../src/service/config.ts'
import { kafkaAccess, kafkaAccessIn } from '../../src/service/kafka-settings.ts'

type Env = Record<string, string>

const full = (env: Env): Env =>
  Object.fromEntries(Object.entries(env).map(([name, value]) => [`AEP_LEDGER_KAFKA_${name}`, value]))

const loaded = (env: Env) => loadConfig(full({ BROKERS: 'a:1', ...env }))

const errorsOf = (env: Env): readonly string[] => {
  const result = loaded(env)
  return result.ok ? [] : result.errors
}

const warningsOf = (env: Env): readonly string[] => {
  const result = loaded(env)
  assert.ok(result.ok)
  return result.warnings
}

const password: Env = { SASL_USERNAME: 'ledger', SASL_PASSWORD: 'pw' }
const oauth: Env = {
  SASL_MECHANISM: 'oauthbearer',
  OAUTH_TOKEN_URL: 'https://login.example/token',
  OAUTH_CLIENT_ID: 'ledger',
  OAUTH_CLIENT_SECRET: 'secret',
}

describe('how a cluster is reached', () => {
  const dir = mkdtempSync(join(tmpdir(), 'aep-ledger-pem-'))
  const file = (name: string): string => join(dir, name)
  before(() => {
    for (const name of ['one', 'other']) {
      const args = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
      execFileSync('openssl', [...args, '-subj', `/CN=${name}`, '-keyout', file(`${name}.key`), '-out', file(name)], {
        stdio: 'ignore',
      })
    }
    writeFileSync(file('text'), 'nothing of the kind')
  })
  after(() => rmSync(dir, { recursive: true }))

  it('is in the clear and without a login, unless something is said', () => {
    const result = loaded({})
    assert.ok(result.ok)
    assert.deepEqual(kafkaAccess(result.config, ['a:1']), { brokers: ['a:1'] })
    assert.deepEqual(result.warnings, [])
  })

  it('holds what the files hold', () => {
    const env = {
      TLS: 'on',
      TLS_CA: file('other'),
      TLS_CERT: file('one'),
      TLS_KEY: file('one.key'),
      TLS_SERVERNAME: 'k',
    }
    const result = loaded({ ...env, ...password, SASL_MECHANISM: 'scram-sha-512' })
    assert.ok(result.ok)
    const text = (name: string): string => readFileSync(file(name), 'utf8')
    assert.deepEqual(kafkaAccess(result.config, ['a:1', 'b:2']), {
      brokers: ['a:1', 'b:2'],
      tls: { ca: text('other'), own: { cert: text('one'), key: text('one.key') }, servername: 'k' },
      sasl: { mechanism: 'scram-sha-512', username: 'ledger', password: 'pw' },
    })
  })

  it('is the same for who is no service, whatever else the environment holds', () => {
    const found = kafkaAccessIn({ ...full({ ...oauth, TLS: 'on', OAUTH_SCOPE: 'kafka' }), AEP_LEDGER_PORT: 'none' }, [
      'a:1',
    ])
    assert.deepEqual(found, {
      access: {
        brokers: ['a:1'],
        tls: {},
        sasl: {
          mechanism: 'oauthbearer',
          tokenUrl: 'https://login.example/token',
          clientId: 'ledger',
          clientSecret: 'secret',
          scope: 'kafka',
        },
      },
      warnings: [],
    })
    assert.deepEqual(kafkaAccessIn(full({ TLS: 'yes' }), ['a:1']).access, undefined)
  })

  it('is refused where a login is half said, by the name of the variable', () => {
    const cases: readonly (readonly [Env, RegExp])[] = [
      [
        { SASL_MECHANISM: 'plain' },
        /^AEP_LEDGER_KAFKA_SASL_MECHANISM: plain needs .*SASL_USERNAME and .*SASL_PASSWORD$/,
      ],
      [
        { SASL_MECHANISM: 'plain', SASL_USERNAME: 'u' },
        /^AEP_LEDGER_KAFKA_SASL_MECHANISM: plain needs \S*SASL_PASSWORD$/,
      ],
      [{ SASL_USERNAME: 'u' }, /^AEP_LEDGER_KAFKA_SASL_USERNAME: given without \S*SASL_MECHANISM$/],
      [{ OAUTH_SCOPE: 'u' }, /^AEP_LEDGER_KAFKA_OAUTH_SCOPE: given without \S*SASL_MECHANISM$/],
      [{ SASL_MECHANISM: 'oauthbearer' }, /oauthbearer needs \S*TOKEN_URL and \S*CLIENT_ID and \S*CLIENT_SECRET$/],
      [{ ...oauth, SASL_USERNAME: 'u' }, /^AEP_LEDGER_KAFKA_SASL_USERNAME: given, and .* is oauthbearer$/],
      [
        { ...oauth, ...password, SASL_MECHANISM: 'plain' },
        /^AEP_LEDGER_KAFKA_OAUTH_TOKEN_URL: given, and .* is plain$/,
      ],
      [{ SASL_MECHANISM: 'gssapi', ...password }, /^AEP_LEDGER_KAFKA_SASL_MECHANISM: /],
      [{ ...oauth, OAUTH_TOKEN_URL: 'ftp://x/' }, /^AEP_LEDGER_KAFKA_OAUTH_TOKEN_URL: /],
    ]
    for (const [env, error] of cases) assert.match(errorsOf(env)[0] ?? 'taken', error)
    assert.equal(errorsOf({ SASL_MECHANISM: 'gssapi', ...password }).length, 1, 'one fault, said once')
  })

  it('is refused where TLS is half said, or its files are not what they should be', () => {
    const cases: readonly (readonly [Env, RegExp])[] = [
      [{ TLS_CA: file('one') }, /^AEP_LEDGER_KAFKA_TLS_CA: given without AEP_LEDGER_KAFKA_TLS=on$/],
      [{ TLS_SERVERNAME: 'k' }, /^AEP_LEDGER_KAFKA_TLS_SERVERNAME: given without/],
      [{ TLS: 'on', TLS_CERT: file('one') }, /^AEP_LEDGER_KAFKA_TLS_CERT: given without AEP_LEDGER_KAFKA_TLS_KEY$/],
      [{ TLS: 'on', TLS_KEY: file('one.key') }, /^AEP_LEDGER_KAFKA_TLS_KEY: given without AEP_LEDGER_KAFKA_TLS_CERT$/],
      [{ TLS: 'on', TLS_CA: file('none') }, /^AEP_LEDGER_KAFKA_TLS_CA: .*none can't be read \(ENOENT\)$/],
      [{ TLS: 'on', TLS_CA: file('text') }, /^AEP_LEDGER_KAFKA_TLS_CA: .*text holds no certificate in PEM/],
      [
        { TLS: 'on', TLS_CERT: file('one'), TLS_KEY: file('one') },
        /^AEP_LEDGER_KAFKA_TLS_KEY: .* holds no private key/,
      ],
      [
        { TLS: 'on', TLS_CERT: file('one'), TLS_KEY: file('other.key') },
        /^AEP_LEDGER_KAFKA_TLS_KEY: .* is not the key of/,
      ],
    ]
    for (const [env, error] of cases) assert.match(errorsOf(env)[0] ?? 'taken', error)
  })

  it('is warned of where a secret can be read on its way', () => {
    const plain = { ...password, SASL_MECHANISM: 'plain' }
    assert.match(warningsOf(plain)[0] ?? '', /the password CROSSES THE NETWORK READABLE BY ANYBODY: set \S+TLS=on/)
    assert.deepEqual(warningsOf({ ...plain, TLS: 'on' }), [])
    assert.deepEqual(warningsOf({ ...plain, SASL_MECHANISM: 'scram-sha-256' }), [])
    assert.match(warningsOf(oauth)[0] ?? '', /the token CROSSES/)
    const open = { ...oauth, TLS: 'on', OAUTH_TOKEN_URL: 'http://login.example/token' }
    assert.match(warningsOf(open)[0] ?? '', /the client secret crosses the network in clear: use https/)
    assert.deepEqual(warningsOf({ ...open, OAUTH_TOKEN_URL: 'http://127.0.0.1:9/token' }), [])
  })

  it('is warned of where there are no brokers, because everything would stay in the data folder', () => {
    const result = loadConfig(full({ TLS: 'on' }))
    assert.ok(result.ok)
    assert.match(result.warnings[0] ?? '', /^AEP_LEDGER_KAFKA_BROKERS: not given/)
  })
})
