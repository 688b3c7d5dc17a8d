import { KafkaRefused, type OauthSasl } from './access.ts'
import { isTlsRefusal } from './tls-refusal.ts'

/** How long the token endpoint may take. */
const answerMsMax = 5_000
/**
 * A token that lives no longer than this is not used for another login. The client logs in again 10 s before its session
 * ends, which is when its token does: an old token would get it no longer session.
 */
const leftMsMin = 15_000
/** Of a token whose endpoint does not say how long it lives. */
const lifeMsAssumed = 60_000

/**
 * Gives the bearer token that is in force: kept until a fifth of its life is left, or 15 s, then got anew. While the endpoint
 * does not answer, the token before is given for as long as it lives. Throws `KafkaRefused` where the endpoint says no, and
 * plain errors where there is no talking to it now.
 */
export function oauthTokens(sasl: OauthSasl, nowMs: () => number = Date.now): () => Promise<string> {
  let kept: { readonly token: string; readonly renewAtMs: number; readonly endsAtMs: number } | undefined
  let coming: Promise<string> | undefined
  const renew = async (): Promise<string> => {
    try {
      const { token, lifeMs } = await askFor(sasl)
      const now = nowMs()
      kept = { token, renewAtMs: now + lifeMs - Math.max(lifeMs / 5, leftMsMin), endsAtMs: now + lifeMs }
      return token
    } catch (error) {
      if (error instanceof KafkaRefused || kept === undefined || kept.endsAtMs <= nowMs()) throw error
      return kept.token
    }
  }
  return () => {
    if (kept !== undefined && nowMs() < kept.renewAtMs) return Promise.resolve(kept.token)
    coming ??= renew().finally(() => {
      coming = undefined
    })
    return coming
  }
}

/** One request of RFC 6749, section 4.4.2, the client named as section 2.3.1 has it. */
async function askFor(sasl: OauthSasl): Promise<{ readonly token: string; readonly lifeMs: number }> {
  const { tokenUrl, clientId, clientSecret, scope } = sasl
  const login = [clientId, clientSecret].map(formEncoded).join(':')
  const answer = await fetch(tokenUrl, {
    method: 'POST',
    headers: { authorization: `Basic ${Buffer.from(login).toString('base64')}`, accept: 'application/json' },
    body: new URLSearchParams({ grant_type: 'client_credentials', ...(scope !== undefined && { scope }) }),
    // Elsewhere the secret was not meant to go.
    redirect: 'error',
    signal: AbortSignal.timeout(answerMsMax),
  }).catch((error: Error) => {
    const cause = error.cause instanceof Error ? error.cause : error
    const { code = '' } = cause as NodeJS.ErrnoException
    if (isTlsRefusal(code)) {
      throw new KafkaRefused(
        `The certificate of the token endpoint ${tokenUrl} is not trusted: ${cause.message} (${code}). NODE_EXTRA_CA_CERTS names ` +
          'a file of authorities to trust besides.',
      )
    }
    throw new Error(`The token endpoint ${tokenUrl} does not answer: ${cause.message}`, { cause: error })
  })
  const text = await answer.text()
  if (answer.status >= 500 || answer.status === 429) {
    throw new Error(`The token endpoint ${tokenUrl} has no answer now: ${answer.status}`)
  }
  const body = objectOf(text)
  if (!answer.ok) {
    const why = [body['error'], body['error_description']].filter(part => typeof part === 'string').join(', ')
    throw new KafkaRefused(
      `The token endpoint ${tokenUrl} refused the client (${answer.status}${why === '' ? '' : `: ${why.slice(0, 200)}`}). ` +
        'Mend AEP_LEDGER_KAFKA_OAUTH_CLIENT_ID, …_CLIENT_SECRET or …_SCOPE, or what the endpoint knows of them.',
    )
  }
  const { access_token: token, expires_in: seconds } = body
  if (typeof token !== 'string' || !/^[\x21-\x7e]+$/.test(token)) {
    throw new KafkaRefused(`The token endpoint ${tokenUrl} answered without a token. Is it one?`)
  }
  const isLife = typeof seconds === 'number' && seconds > 0
  return { token, lifeMs: isLife ? seconds * 1_000 : lifeMsAssumed }
}

/** As a form spells it, which is what RFC 6749 asks of both halves. */
const formEncoded = (text: string): string => new URLSearchParams({ '': text }).toString().slice(1)

function objectOf(text: string): Readonly<Record<string, unknown>> {
  try {
    const parsed: unknown = JSON.parse(text)
    return typeof parsed === 'object' && parsed !== null ? (parsed as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}
