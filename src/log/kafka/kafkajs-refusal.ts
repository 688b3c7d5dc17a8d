import kafkajs, { type KafkaConfig } from 'kafkajs'
import { type KafkaAccess, KafkaRefused } from './access.ts'
import { isTlsRefusal } from './tls-refusal.ts'

/** What kafkajs 2.2.4 throws, as far as it is looked at here. */
interface Thrown {
  readonly name?: string
  readonly message?: string
  /** Of an answer of a broker: the name of its error code. */
  readonly type?: string
  /** Of a connection: what Node.js says. */
  readonly code?: unknown
  readonly topic?: string
  readonly cause?: unknown
  readonly errors?: readonly unknown[]
  readonly partitions?: readonly { readonly error?: unknown }[]
}

const heard = new WeakMap<KafkaAccess, string>()

/**
 * Options by which it is heard why no coordinator was found, of a group or of a transactional id: kafkajs tells nobody but its
 * log that this was not permitted, and throws what it throws where no broker answers.
 */
export const hearing = (access: KafkaAccess): Pick<KafkaConfig, 'logLevel' | 'logCreator'> => ({
  logLevel: kafkajs.logLevel.ERROR,
  logCreator:
    () =>
    ({ log: { message, error } }) => {
      if (message.startsWith('Response GroupCoordinator') && /authorization failed/i.test(String(error)))
        heard.set(access, String(error))
    },
})

/**
 * Whether `error`, or what it was thrown for, says that the cluster refused this client, or this client the cluster; a broker
 * that is not there, or breaks off, is none. `access` is what the client was made with.
 */
export function refusalOf(error: unknown, access: KafkaAccess): KafkaRefused | undefined {
  const ahead: unknown[] = [error]
  for (const one of ahead) {
    if (one instanceof KafkaRefused) return one
    if (typeof one !== 'object' || one === null || ahead.length > causesMax) continue
    const thrown: Thrown = one
    const why = loginRefused(thrown) ?? tlsRefused(thrown) ?? permissionRefused(thrown, heard.get(access))
    if (why !== undefined) return new KafkaRefused(why, { cause: error })
    ahead.push(thrown.cause, ...(thrown.errors ?? []), ...(thrown.partitions ?? []).map(part => part.error))
  }
  return undefined
}

const causesMax = 50

/** A login that broke off has the same name as one that was refused. */
const brokenOff = /: (Closed connection|Connection (error|timeout|closed)|Not connected|Request .* timed out)/

function loginRefused({ name, type = '', message = '' }: Thrown): string | undefined {
  if (type === 'ILLEGAL_SASL_STATE')
    return 'Kafka takes no login at this port: name the port of a SASL listener, or leave AEP_LEDGER_KAFKA_SASL_MECHANISM out.'
  if (type === 'UNSUPPORTED_SASL_MECHANISM' || /mechanism is not supported by the server/.test(message))
    return `Kafka does not take this kind of login: ${message}. Mend AEP_LEDGER_KAFKA_SASL_MECHANISM.`
  const isRefused = type === 'SASL_AUTHENTICATION_FAILED' || name === 'KafkaJSSASLAuthenticationError'
  if (!isRefused || brokenOff.test(message)) return undefined
  return (
    `Kafka refused the login: ${message}. Mend AEP_LEDGER_KAFKA_SASL_USERNAME, …_PASSWORD or …_MECHANISM, or what the ` +
    'cluster knows of this user.'
  )
}

/** What OpenSSL says stands between places in its source. */
const openssl = /^.*:SSL routines:[^:]*:([^:]*):[\s\S]*$/

function tlsRefused({ code, message: said = '' }: Thrown): string | undefined {
  if (typeof code !== 'string' || !isTlsRefusal(code)) return undefined
  const message = said.replace(openssl, '$1').replace('Connection error: ', '')
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return `The broker’s certificate is for another name: ${message}. Dial that name, or set AEP_LEDGER_KAFKA_TLS_SERVERNAME.`
  if (!code.startsWith('ERR_SSL_') && code !== 'EPROTO')
    return `The broker’s certificate is not trusted: ${message} (${code}). AEP_LEDGER_KAFKA_TLS_CA names the authority that it comes from.`
  if (/ALERT/.test(code) || /alert/.test(message))
    return `The broker refused this side of TLS: ${message} (${code}). Does it want a certificate of yours, or another one? AEP_LEDGER_KAFKA_TLS_CERT and …_KEY.`
  return `There is no agreeing on TLS: ${message} (${code}). Is this the port of a TLS listener?`
}

function permissionRefused({ name, type = '', topic, message = '' }: Thrown, heard = ''): string | undefined {
  const isHeard = name === 'KafkaJSGroupCoordinatorNotFound' && heard !== ''
  if (!isHeard && !type.endsWith('_AUTHORIZATION_FAILED')) return undefined
  const about = [type, topic].filter(part => part !== undefined && part !== '').join(', ')
  return (
    `Kafka did not permit it: ${isHeard ? heard : message}${about === '' ? '' : ` (${about})`}. Give this user what ` +
    'docs/operating.md lists under “Kafka: TLS, passwords, permissions”.'
  )
}
