import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type RunningKafka, startKafka } from '../../../../infra/kafka/start.ts'
import type { KafkaAccess, KafkaSasl, KafkaTls } from '../../../../src/log/kafka/access.ts'
import { Authority } from './certificates.ts'
import { issuer, TokenServer } from './tokens.ts'

/** Everybody who has a password, which is the name with this behind it. */
const users = ['ledger', 'ledger-setup', 'ledger-http', 'ledger-sequencer', 'ledger-follower', 'verifier', 'nobody']
export const passwordOf = (user: string): string => `${user}-secret`

/** Certificates of the broker answer to its address and to this name. */
export const brokerName = 'kafka.example'

/** How long a session lasts at most: 1.5 s longer than the 10 s before its end at which kafkajs logs in again. */
const sessionMs = 11_500

/** One broker that listens to all kinds of clients, with permissions switched on; who comes without a login may do anything. */
export class SecureKafka {
  readonly kafka: RunningKafka
  readonly tokens: TokenServer
  readonly tokenUrl: string
  readonly authority: Authority
  /** One that the broker does not know. */
  readonly stranger: Authority

  private constructor(parts: Pick<SecureKafka, 'kafka' | 'tokens' | 'tokenUrl' | 'authority' | 'stranger'>) {
    this.kafka = parts.kafka
    this.tokens = parts.tokens
    this.tokenUrl = parts.tokenUrl
    this.authority = parts.authority
    this.stranger = parts.stranger
  }

  /** Takes `dir` for everything. */
  static async start(dir: string): Promise<SecureKafka> {
    const authority = new Authority(dir, 'authority')
    const stranger = new Authority(dir, 'stranger')
    const tokens = new TokenServer(passwordOf('oauth'))
    const url = await tokens.listen()
    const { certFile, keyFile } = authority.issue('broker', `IP:127.0.0.1,DNS:${brokerName}`)
    const keyStore = join(dir, 'broker-all.pem')
    writeFileSync(keyStore, readFileSync(keyFile, 'utf8') + readFileSync(certFile, 'utf8'))
    const kafka = await startKafka({
      brokers: 1,
      dir: join(dir, 'broker'),
      besides: {
        listeners: { TLS: 'SSL', MTLS: 'SSL', SASL: 'SASL_SSL', BARE: 'SASL_PLAINTEXT' },
        properties: propertiesOf(keyStore, authority.file, `${url}/keys`),
        format: ['256', '512'].flatMap(bits =>
          users.flatMap(user => ['--add-scram', `SCRAM-SHA-${bits}=[name=${user},password=${passwordOf(user)}]`]),
        ),
        jvm: [`-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls=${url}/keys`],
      },
    }).catch(error => {
      tokens.close()
      throw error
    })
    return new SecureKafka({ kafka, tokens, tokenUrl: `${url}/token`, authority, stranger })
  }

  async stop(): Promise<void> {
    this.tokens.close()
    await this.kafka.stop()
  }

  /** Who may do anything. */
  get admin(): KafkaAccess {
    return { brokers: this.kafka.bootstrap }
  }

  access(
    listener: 'TLS' | 'MTLS' | 'SASL' | 'BARE',
    sasl?: KafkaSasl,
    tls: KafkaTls = { ca: this.authority.pem },
  ): KafkaAccess {
    return { brokers: this.kafka.listener(listener), ...(listener !== 'BARE' && { tls }), ...(sasl && { sasl }) }
  }

  /** With a password, through TLS. */
  as(
    username: string,
    mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512' = 'scram-sha-256',
    password = passwordOf(username),
  ): KafkaAccess {
    return this.access('SASL', { mechanism, username, password })
  }

  /** With a bearer token, through TLS. */
  byToken(clientId: string, clientSecret = passwordOf('oauth'), tokenUrl = this.tokenUrl): KafkaAccess {
    return this.access('SASL', { mechanism: 'oauthbearer', tokenUrl, clientId, clientSecret, scope: 'kafka' })
  }
}

function propertiesOf(keyStore: string, authority: string, keysUrl: string): Record<string, string> {
  const security = 'org.apache.kafka.common.security'
  const scram = `${security}.scram.ScramLoginModule required;`
  const passwords = users.map(user => `user_${user}="${passwordOf(user)}"`).join(' ')
  const tlsOf = (listener: string): Record<string, string> => ({
    [`listener.name.${listener}.ssl.keystore.type`]: 'PEM',
    [`listener.name.${listener}.ssl.keystore.location`]: keyStore,
    [`listener.name.${listener}.ssl.truststore.type`]: 'PEM',
    [`listener.name.${listener}.ssl.truststore.location`]: authority,
  })
  const plain = `${security}.plain.PlainLoginModule required ${passwords};`
  return {
    ...tlsOf('tls'),
    ...tlsOf('mtls'),
    ...tlsOf('sasl'),
    'listener.name.mtls.ssl.client.auth': 'required',
    'ssl.principal.mapping.rules': 'RULE:^CN=(.*)$/$1/',
    'listener.name.sasl.sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER',
    'listener.name.sasl.plain.sasl.jaas.config': plain,
    'listener.name.sasl.scram-sha-256.sasl.jaas.config': scram,
    'listener.name.sasl.scram-sha-512.sasl.jaas.config': scram,
    'listener.name.sasl.oauthbearer.sasl.jaas.config': `${security}.oauthbearer.OAuthBearerLoginModule required;`,
    'listener.name.sasl.oauthbearer.sasl.server.callback.handler.class': `${security}.oauthbearer.OAuthBearerValidatorCallbackHandler`,
    'listener.name.sasl.oauthbearer.connections.max.reauth.ms': String(sessionMs),
    'sasl.oauthbearer.jwks.endpoint.url': keysUrl,
    'sasl.oauthbearer.expected.audience': 'kafka',
    'sasl.oauthbearer.expected.issuer': issuer,
    'listener.name.bare.sasl.enabled.mechanisms': 'PLAIN',
    'listener.name.bare.plain.sasl.jaas.config': plain,
    'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
    'super.users': 'User:ANONYMOUS',
  }
}
