/** How a cluster is reached, and as whom. What stands here is read by the client alone; it knows of no client itself. */
export interface KafkaAccess {
  /** `host:port` each. */
  readonly brokers: readonly string[]
  /** Without it nothing is encrypted. */
  readonly tls?: KafkaTls
  readonly sasl?: KafkaSasl
}

/** Texts in PEM. */
export interface KafkaTls {
  /** Authorities that brokers' certificates may come from, in the place of those that the runtime knows. */
  readonly ca?: string
  /** Certificate and key of this client, where brokers ask for them. */
  readonly own?: { readonly cert: string; readonly key: string }
  /** Name that brokers' certificates are to carry, where that is not the host that is dialled. */
  readonly servername?: string
}

export type KafkaSasl = PasswordSasl | OauthSasl

interface PasswordSasl {
  readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'
  readonly username: string
  readonly password: string
}

/** A bearer token from a token endpoint, by client credentials (RFC 6749, section 4.4). */
export interface OauthSasl {
  readonly mechanism: 'oauthbearer'
  readonly tokenUrl: string
  readonly clientId: string
  readonly clientSecret: string
  readonly scope?: string
}

/**
 * The cluster, or the token endpoint before it, answered and said no: to the password, to the certificate, to what was asked
 * for; or this client said no to the broker's certificate. Waiting mends none of that; `message` says what does.
 */
export class KafkaRefused extends Error {
  override readonly name = 'KafkaRefused'
}
