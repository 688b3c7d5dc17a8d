import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { cliMain, serve } from '../../../infra/serve.ts'
import { type KafkaAccess, KafkaRefused } from '../../../src/log/kafka/access.ts'
import { ensureInstallation } from '../../../src/log/kafka/installation.ts'
import { kafkajsClient } from '../../../src/log/kafka/kafkajs.ts'
import { openKafkaLog } from '../../../src/log/kafka/open.ts'
import { openLedgerTopic } from '../../../src/log/kafka/read.ts'
import { topicsOf } from '../../../src/log/kafka/topics.ts'
import { noKafka, noOpenssl } from '../../infra/engines.ts'
import { batchAfter } from '../batches.ts'
import { documentedAcls, forbid, permit, useOf, wordsOf } from './secure/acls.ts'
import { brokerName, passwordOf, SecureKafka } from './secure/broker.ts'
import { allowed, operationNames, topics } from './secure/operations.ts'

const dir = mkdtempSync(join(tmpdir(), 'aep-kafka-secure-'))
after(() => rmSync(dir, { recursive: true, force: true }))

describe('a cluster that asks who is there', { skip: noKafka || noOpenssl }, () => {
  let secure: SecureKafka
  let replicas = 0
  before(async () => {
    secure = await SecureKafka.start(dir)
    const admin = await kafkajsClient(secure.admin)
    const layout = { origin: 'secure.example', partitions: 1, replication: 1 }
    await ensureInstallation(admin, topicsOf('aep'), 'aep.setup', layout, [])
    await admin.close()
    await permit(secure.kafka.bootstrap, documentedAcls())
  })
  after(() => secure?.stop())

  const open = (access: KafkaAccess, prefix = 'aep') =>
    openKafkaLog({ access, prefix, dir: join(dir, `replica-${++replicas}`) })

  /** Takes the log over, adds to it, and reads all of it back. */
  async function roundTrip(access: KafkaAccess): Promise<void> {
    const log = await open(access)
    try {
      const before = await log.head('default')
      const batch = batchAfter(before)
      await log.append(batch)
      assert.deepEqual(await log.head('default'), batch.head)
      assert.deepEqual((await log.read('default', 0, 1_000)).slice(-1), batch.entries)
    } finally {
      await log.close()
    }
  }

  const own = (name: string, authority = secure.authority) => {
    const { certFile, keyFile } = authority.issue(name)
    return { cert: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8') }
  }

  describe('keeps the log of', () => {
    it('who trusts the authority of its certificate', () => roundTrip(secure.access('TLS')))

    it('who knows it by the name in its certificate', () =>
      roundTrip(secure.access('TLS', undefined, { ca: secure.authority.pem, servername: brokerName })))

    it('who has a certificate', () =>
      roundTrip(secure.access('MTLS', undefined, { ca: secure.authority.pem, own: own('ledger') })))

    for (const mechanism of ['plain', 'scram-sha-256', 'scram-sha-512'] as const)
      it(`who has a password, ${mechanism}`, () => roundTrip(secure.as('ledger', mechanism)))

    it('who gets bearer tokens', async () => {
      await roundTrip(secure.byToken('ledger'))
      assert.deepEqual(secure.tokens.asked.at(-1), { client: 'ledger', scope: 'kafka' })
    })
  })

  it('goes on with new tokens when those before have run out', async () => {
    // Sessions last as long as the token does, and another login is made 10 s before their end.
    secure.tokens.lifeS = 12
    const log = await open(secure.byToken('ledger'))
    try {
      const had = secure.tokens.asked.length
      while (secure.tokens.asked.length < had + 3) await log.append(batchAfter(await log.head('default')))
      const entries = await log.read('default', 0, 100_000)
      assert.equal(entries.length, ((await log.head('default'))?.seq ?? 0) + 1)
    } finally {
      secure.tokens.lifeS = 3_600
      await log.close()
    }
  })

  describe('is told apart from one that is not there:', () => {
    const refuses = async (access: KafkaAccess, message: RegExp): Promise<void> => {
      await assert.rejects(open(access), (error: unknown) => {
        assert.ok(error instanceof KafkaRefused, String(error))
        assert.match(error.message, message)
        return true
      })
      await assert.rejects(openLedgerTopic(access, 'aep'), KafkaRefused)
    }

    for (const mechanism of ['plain', 'scram-sha-256', 'scram-sha-512'] as const)
      it(`a password is wrong, ${mechanism}`, () =>
        refuses(
          secure.as('ledger', mechanism, 'guess'),
          /^Kafka refused the login: .*Mend AEP_LEDGER_KAFKA_SASL_USERNAME/,
        ))

    it('its certificate is of an authority that is not trusted', () =>
      refuses(
        secure.access('TLS', undefined, { ca: secure.stranger.pem }),
        /^The broker’s certificate is not trusted: .*AEP_LEDGER_KAFKA_TLS_CA/,
      ))

    it('its certificate is not trusted without an authority that is named', () =>
      refuses(
        secure.access('TLS', undefined, {}),
        /^The broker’s certificate is not trusted: .*AEP_LEDGER_KAFKA_TLS_CA/,
      ))

    it('its certificate is for another name', () =>
      refuses(
        secure.access('TLS', undefined, { ca: secure.authority.pem, servername: 'else.example' }),
        /^The broker’s certificate is for another name: .*AEP_LEDGER_KAFKA_TLS_SERVERNAME/,
      ))

    it('it wants a certificate, and there is none', () =>
      refuses(secure.access('MTLS'), /^The broker refused this side of TLS: .*AEP_LEDGER_KAFKA_TLS_CERT/))

    it('it wants another certificate', () =>
      refuses(
        secure.access('MTLS', undefined, { ca: secure.authority.pem, own: own('ledger', secure.stranger) }),
        /^The broker refused this side of TLS: .*AEP_LEDGER_KAFKA_TLS_CERT/,
      ))

    it('it does not know this kind of login, or takes none at this port', async () => {
      const sasl = { mechanism: 'scram-sha-256', username: 'ledger', password: 'ledger-secret' } as const
      await refuses(secure.access('BARE', sasl), /^Kafka does not take this kind of login: .*KAFKA_SASL_MECHANISM/)
      await refuses({ ...secure.admin, sasl }, /^Kafka takes no login at this port/)
    })

    it('the token endpoint refuses the client', () =>
      refuses(secure.byToken('ledger', 'guess'), /^The token endpoint \S+ refused the client \(401: invalid_client/))

    it('the broker refuses the token', async () => {
      secure.tokens.audience = 'else'
      try {
        await refuses(secure.byToken('ledger'), /^Kafka refused the bearer token: .*invalid_token.*audience/)
      } finally {
        secure.tokens.audience = 'kafka'
      }
    })

    it('nothing is permitted', () =>
      refuses(secure.as('nobody'), /^Kafka did not permit it: .*TOPIC_AUTHORIZATION_FAILED.*docs\/operating\.md/))
  })

  describe('a log that nobody has written anything else to', () => {
    for (const role of ['ledger-http', 'ledger-sequencer', 'ledger-follower'])
      it(`${role} opens the log`, async () => (await open(secure.as(role))).close())

    for (const missing of ['group aep-ledger-reader-']) {
      it(`a start ends without ${missing}, and says that it is not permitted`, async () => {
        const { bootstrap } = secure.kafka
        const acls = documentedAcls().filter(
          acl => wordsOf(acl).startsWith('User:ledger ') && wordsOf(acl).endsWith(missing),
        )
        assert.equal(acls.length, 1)
        for (const acl of acls) await forbid(bootstrap, acl)
        try {
          await assert.rejects(open(secure.as('ledger')), (error: unknown) => {
            assert.ok(error instanceof KafkaRefused, String(error))
            assert.match(error.message, /^Kafka did not permit it: .*uthorization failed/)
            return true
          })
        } finally {
          await permit(bootstrap, acls)
        }
      })
    }
  })

  describe('with the permissions of docs/operating.md', () => {
    const readsAll = ['read ledger', 'read heads', 'read records', 'read control']
    const roles: Readonly<Record<string, readonly string[]>> = {
      verifier: ['read ledger', 'read records'],
      'ledger-follower': [
        ...[...readsAll, 'read state', 'write state', 'transaction of state', 'settings of topics'],
        ...['group of followers', 'group of state'],
      ],
      'ledger-http': [
        ...[...readsAll, 'read state', 'write intake', 'write records', 'write control', 'settings of topics'],
      ],
      'ledger-sequencer': [
        ...['read intake', ...readsAll, 'write ledger', 'write heads', 'write dead', 'cut intake'],
        ...['settings of topics', 'transaction of ledger, heads and dead', 'group of sequencers'],
      ],
      ledger: operationNames.filter(name => name !== 'cut ledger'),
    }
    before(async () => {
      const admin = await kafkajsClient(secure.admin)
      await admin.create(topics.map(topic => ({ name: `aep.${topic}`, partitions: 1, replicas: 1, settings: {} })))
      await admin.close()
      await allowed(
        secure.admin,
        topics.map(topic => `write ${topic}`),
      )
    })

    for (const [role, needs] of Object.entries(roles)) {
      it(`${role} does what it is there for, and nothing else`, async () => {
        assert.deepEqual((await allowed(secure.as(role))).sort(), [...needs].sort())
      })

      it(`${role} can do with none of them missing`, async () => {
        const { bootstrap } = secure.kafka
        for (const acl of documentedAcls().filter(({ principal }) => principal === `User:${role}`)) {
          const use = useOf(acl)
          assert.ok(needs.includes(use), use)
          await forbid(bootstrap, acl)
          assert.deepEqual(await allowed(secure.as(role), [use]), [], `${use} without ${wordsOf(acl)}`)
          await permit(bootstrap, [acl])
        }
      })
    }

    it('a service has its first start made by who may make topics, is verified by who may read, and writes for nobody else', async () => {
      const { bootstrap } = secure.kafka
      await permit(bootstrap, documentedAcls('served'))
      await assert.rejects(open(secure.as('ledger'), 'served'), /TOPIC_AUTHORIZATION_FAILED/)
      await (await open(secure.as('ledger-setup'), 'served')).close()
      const folder = join(dir, 'served')
      const serving = await serve(folder, { ...envOf('ledger'), ...service })
      await serving.stop()
      const source = `kafka://${secure.kafka.listener('SASL').join()}/served`
      writeFileSync(join(dir, 'keys.json'), verbOf('nobody', ['keys', 'export', folder]).stdout)
      assert.equal(verbOf('verifier', ['verify', source, '--keys', join(dir, 'keys.json')]).status, 0)
      await assert.rejects(open(secure.as('verifier'), 'served'), KafkaRefused)
      assert.ok(!(await allowed(secure.as('verifier'), ['write ledger'])).length)
    })

    it('whoever may not is told so by the commands, with exit code 2', async () => {
      const source = `kafka://${secure.kafka.listener('SASL').join()}/aep`
      const denied = verbOf('nobody', ['verify', source])
      assert.equal(denied.status, 2)
      assert.match(denied.stderr, /Kafka did not permit it/)
      const wrong = verbOf('verifier', ['verify', source], { AEP_LEDGER_KAFKA_SASL_PASSWORD: 'guess' })
      assert.equal(wrong.status, 2)
      assert.match(wrong.stderr, /Kafka refused the login/)
      const half = verbOf('verifier', ['verify', source], { AEP_LEDGER_KAFKA_TLS: 'off' })
      assert.match(half.stderr, /AEP_LEDGER_KAFKA_TLS_CA: given without/)
      const start = serve(join(dir, 'guess'), {
        ...envOf('ledger'),
        ...service,
        AEP_LEDGER_KAFKA_SASL_PASSWORD: 'guess',
      })
      await assert.rejects(start, /ended with 2.*Kafka refused the login/s)
    })

    const service = {
      AEP_LEDGER_KAFKA_PREFIX: 'served',
      AEP_LEDGER_SEARCH: 'off',
      AEP_LEDGER_LOG_LEVEL: 'error',
    }
    const envOf = (user: string): Record<string, string> => ({
      AEP_LEDGER_KAFKA_BROKERS: secure.kafka.listener('SASL').join(),
      AEP_LEDGER_KAFKA_TLS: 'on',
      AEP_LEDGER_KAFKA_TLS_CA: secure.authority.file,
      AEP_LEDGER_KAFKA_SASL_MECHANISM: 'scram-sha-512',
      AEP_LEDGER_KAFKA_SASL_USERNAME: user,
      AEP_LEDGER_KAFKA_SASL_PASSWORD: passwordOf(user),
    })
    const verbOf = (user: string, args: readonly string[], besides: Record<string, string> = {}) => {
      const env = { ...process.env, ...envOf(user) }
      return spawnSync(process.execPath, [cliMain, ...args], { encoding: 'utf8', env: { ...env, ...besides } })
    }
  })
})
