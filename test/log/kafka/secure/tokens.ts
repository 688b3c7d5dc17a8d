import { createSign, generateKeyPairSync } from 'node:crypto'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'

/** Who signs the tokens. */
export const issuer = 'https://login.example/'

/** A token endpoint with its key set: tokens for whoever knows the secret, in the client's name. */
export class TokenServer {
  /** Of the tokens that are made from now on, in seconds. */
  lifeS = 3_600
  /** Whom they are for; the broker wants `kafka`. */
  audience = 'kafka'
  /** Status to answer with in the place of a token. */
  trouble: number | undefined
  /** What was asked for, one after the other. */
  readonly asked: { readonly client: string; readonly scope: string | null }[] = []
  readonly #keys = generateKeyPairSync('rsa', { modulusLength: 2048 })
  readonly #server: Server
  readonly #secret: string

  constructor(secret: string) {
    this.#secret = secret
    this.#server = createServer((request, response) => {
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => {
        const { status, body } =
          request.url === '/keys'
            ? { status: 200, body: this.#keySet() }
            : this.#answer(request.headers.authorization ?? '', Buffer.concat(chunks).toString())
        response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
      })
    })
  }

  /** Resolves with its address. */
  async listen(): Promise<string> {
    await new Promise<void>(resolve => this.#server.listen(0, '127.0.0.1', resolve))
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  close(): void {
    this.#server.close()
    this.#server.closeAllConnections()
  }

  #answer(login: string, form: string): { readonly status: number; readonly body: unknown } {
    const [client = '', secret] = Buffer.from(login.replace('Basic ', ''), 'base64')
      .toString()
      .split(':')
      .map(part => decodeURIComponent(part.replaceAll('+', ' ')))
    const fields = new URLSearchParams(form)
    this.asked.push({ client, scope: fields.get('scope') })
    if (this.trouble !== undefined) return { status: this.trouble, body: {} }
    if (secret !== this.#secret || fields.get('grant_type') !== 'client_credentials')
      return { status: 401, body: { error: 'invalid_client', error_description: 'no such client' } }
    return { status: 200, body: { access_token: this.#tokenOf(client), token_type: 'Bearer', expires_in: this.lifeS } }
  }

  #keySet(): unknown {
    return { keys: [{ ...this.#keys.publicKey.export({ format: 'jwk' }), kid: 'one', use: 'sig', alg: 'RS256' }] }
  }

  #tokenOf(sub: string): string {
    const now = Math.floor(Date.now() / 1_000)
    const claims = { iss: issuer, sub, aud: this.audience, iat: now, exp: now + this.lifeS }
    const parts = [{ alg: 'RS256', kid: 'one', typ: 'JWT' }, claims]
    const text = parts.map(part => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')
    return `${text}.${createSign('RSA-SHA256').update(text).sign(this.#keys.privateKey, 'base64url')}`
  }
}
