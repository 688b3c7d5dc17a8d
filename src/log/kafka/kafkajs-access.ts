import type { ConnectionOptions } from 'node:tls'
import type { KafkaConfig, Mechanism, SASLOptions } from 'kafkajs'
import { type KafkaAccess, KafkaRefused, type KafkaSasl, type KafkaTls } from './access.ts'
import { hearing } from './kafkajs-refusal.ts'
import { endingWhenSilent } from './kafkajs-socket.ts'
import { oauthTokens } from './oauth.ts'

/** How long a connection may take: a handshake on a far cluster does not fit into the second that kafkajs gives. */
const connectionMsMax = 5_000
/**
 * How long a request may take: by then a silent connection has ended, and partitions have had another leader for long. Kafka
 * answers none later than this but joining a group, for which kafkajs allows more.
 */
const requestMsMax = 10_000

/** What kafkajs is told of the cluster. Of its own for each client: kafkajs writes into it. */
export function kafkajsAccess(access: KafkaAccess): KafkaConfig {
  const { brokers, tls, sasl } = access
  return {
    ...hearing(access),
    brokers: [...brokers],
    connectionTimeout: connectionMsMax,
    requestTimeout: requestMsMax,
    socketFactory: endingWhenSilent,
    ...(tls && { ssl: tlsOptions(tls) }),
    ...(sasl && { sasl: saslOptions(sasl) }),
  }
}

const tlsOptions = ({ ca, own, servername }: KafkaTls): ConnectionOptions => ({
  minVersion: 'TLSv1.2',
  rejectUnauthorized: true,
  ...(ca !== undefined && { ca }),
  ...own,
  ...(servername !== undefined && { servername }),
})

function saslOptions(sasl: KafkaSasl): SASLOptions | Mechanism {
  if (sasl.mechanism === 'oauthbearer') return bearer(oauthTokens(sasl))
  const { mechanism, ...login } = sasl
  if (mechanism === 'plain') return { mechanism, ...login }
  if (mechanism === 'scram-sha-256') return { mechanism, ...login }
  return { mechanism, ...login }
}

/**
 * OAUTHBEARER (RFC 7628, section 3). The one of kafkajs does not read the broker's answer, and takes a token that was refused
 * for one that was taken.
 */
function bearer(token: () => Promise<string>): Mechanism {
  return {
    mechanism: 'oauthbearer',
    authenticationProvider: ({ saslAuthenticate }) => ({
      authenticate: async () => {
        const first = `n,,\u0001auth=Bearer ${await token()}\u0001\u0001`
        const failure = await saslAuthenticate({ request: { encode: () => withLength(first) }, response: challenge })
        if (failure === undefined || failure === '') return
        throw new KafkaRefused(
          `Kafka refused the bearer token: ${failure.slice(0, 200)}. Mend AEP_LEDGER_KAFKA_OAUTH_CLIENT_ID, …_SCOPE, or what ` +
            'brokers expect of issuer, audience and keys.',
        )
      },
    }),
  }
}

const withLength = (text: string): Buffer => {
  const bytes = Buffer.from(text)
  const length = Buffer.alloc(4)
  length.writeInt32BE(bytes.length)
  return Buffer.concat([length, bytes])
}

/** What the broker has against the token: nothing, where it took it. Its length stands before it. */
const challenge = {
  decode: (raw: Buffer): Buffer => raw.subarray(4),
  parse: (data: Buffer): string => data.toString('utf8'),
}
