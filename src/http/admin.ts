import type { FastifyInstance } from 'fastify'
import type { z } from 'zod'
import { Fault } from '../base/fault.ts'
import { keyRevocation, newEmitter, newLedger, newToken, type tokenState } from '../contract/admin.ts'
import type { Head } from '../ledger/entry.ts'
import type { TokenRecord } from '../log/control.ts'
import { covers, holdsFor, makeToken } from './auth.ts'
import type { Kit } from './kit.ts'
import { bodyOf, callerOf, headOf, route } from './route.ts'

/** Ledgers, keys, emitters and tokens. A token's scope bounds what its holder may make, see and end. */
export function adminRoutes(app: FastifyInstance, kit: Kit): void {
  ledgerRoutes(app, kit)
  keyRoutes(app, kit)
  tokenRoutes(app, kit)
}

function ledgerRoutes(app: FastifyInstance, kit: Kit): void {
  const { log, admin } = kit.ports
  route(app, kit, 'listLedgers', async ({ request }) => {
    const names = (await log.ledgers()).filter(name => holdsFor(callerOf(request).ledgers, name))
    return { items: await Promise.all(names.map(async name => stateOf(name, await headOf(kit, name)))) }
  })
  route(app, kit, 'getLedger', async ({ params: { ledger } }) => stateOf(ledger, await headOf(kit, ledger)))
  route(app, kit, 'createLedger', async ({ request, reply }) => {
    const { name } = bodyOf(kit, request, newLedger)
    const caller = callerOf(request)
    if (!holdsFor(caller.ledgers, name)) throw new Fault('forbidden', 'The token does not hold for this ledger.')
    await admin.createLedger(name, caller.id)
    reply.code(201).header('location', `/v1/ledgers/${encodeURIComponent(name)}`)
    return stateOf(name, await headOf(kit, name))
  })
}

const stateOf = (ledger: string, { seq, leafHash, recordedAt }: Head) => ({
  ledger,
  head: { seq, leaf_hash: leafHash, recorded_at: recordedAt },
})

function keyRoutes(app: FastifyInstance, kit: Kit): void {
  const { admin } = kit.ports
  route(app, kit, 'listKeys', async ({ params: { ledger } }) => {
    await headOf(kit, ledger)
    const keys = await admin.keys(ledger)
    return {
      keys: keys.map(({ keyId, alg, publicHex, fromSeq, toSeq }) => ({
        ...{ key_id: keyId, alg, public_hex: publicHex, from_seq: fromSeq },
        ...(toSeq === undefined ? {} : { to_seq: toSeq }),
      })),
    }
  })
  route(app, kit, 'rotateKey', async ({ request, reply }) => {
    const caller = callerOf(request)
    if (!covers(caller.ledgers, '*'))
      throw new Fault('forbidden', 'A new key concerns every ledger; the token does not.')
    const { keyId, publicHex, ledgers } = await admin.rotateKey(caller.id)
    reply.code(201)
    return { key_id: keyId, alg: 'ed25519', public_hex: publicHex, ledgers: [...ledgers] }
  })
  route(app, kit, 'revokeKey', async ({ request, reply, params: { ledger, key_id } }) => {
    const { compromised_since_seq, reason } = bodyOf(kit, request, keyRevocation)
    const says = {
      ...(compromised_since_seq !== undefined && { compromisedSinceSeq: compromised_since_seq }),
      ...(reason !== undefined && { reason }),
    }
    const seq = await admin.revokeKey(ledger, key_id, says, callerOf(request).id)
    reply.code(201)
    return { key_id, seq, ...(compromised_since_seq !== undefined && { compromised_since_seq }) }
  })
  route(app, kit, 'registerEmitter', async ({ request, reply, params: { ledger } }) => {
    const { key_id, public_hex, sources } = bodyOf(kit, request, newEmitter)
    await admin.registerEmitter(ledger, { keyId: key_id, publicHex: public_hex, sources }, callerOf(request).id)
    reply.code(201)
    return { key_id, public_hex, sources }
  })
  route(app, kit, 'revokeEmitter', async ({ request, reply, params: { ledger, key_id } }) => {
    await admin.revokeEmitter(ledger, key_id, callerOf(request).id)
    return reply.code(204).send()
  })
}

function tokenRoutes(app: FastifyInstance, kit: Kit): void {
  const { tokens, ports } = kit
  route(app, kit, 'listTokens', async ({ request }) => {
    const caller = callerOf(request)
    return {
      items: tokens
        .all()
        .filter(token => rules(caller, token))
        .map(publicOf),
    }
  })
  route(app, kit, 'createToken', async ({ request, reply }) => {
    const wanted = bodyOf(kit, request, newToken)
    checkWithin(callerOf(request), wanted)
    const { text, record } = makeToken({ ...wanted, createdAt: ports.clock().toISOString() })
    await tokens.put(record)
    reply.code(201)
    return { ...publicOf(record), token: text }
  })
  route(app, kit, 'revokeToken', async ({ request, reply, params: { id } }) => {
    const token = tokens.get(id)
    if (token === undefined || !rules(callerOf(request), token)) throw new Fault('not-found', 'There is no such token.')
    if (token.revokedAt === undefined) await tokens.put({ ...token, revokedAt: ports.clock().toISOString() })
    return reply.code(204).send()
  })
}

/** Whether all that `token` holds for is within the caller's scope. */
const rules = (caller: TokenRecord, token: TokenRecord): boolean =>
  token.ledgers.every(ledger => covers(caller.ledgers, ledger))

function checkWithin(caller: TokenRecord, wanted: z.output<typeof newToken>): void {
  const errors = wanted.ledgers.flatMap((ledger, n) =>
    covers(caller.ledgers, ledger) ? [] : [{ pointer: `/ledgers/${n}`, detail: 'is beyond what the token holds for' }],
  )
  const bound = caller.sources.length > 0
  const within = (source: string) => caller.sources.some(prefix => source.startsWith(prefix))
  if (bound && (wanted.sources.length === 0 || !wanted.sources.every(within))) {
    errors.push({ pointer: '/sources', detail: 'go beyond the sources that the token is bound to' })
  }
  if (errors.length > 0) throw new Fault('forbidden', 'A token can give no more than it has.', errors)
}

const publicOf = (token: TokenRecord): z.output<typeof tokenState> => ({
  id: token.id,
  label: token.label,
  role: token.role,
  ledgers: [...token.ledgers],
  sources: [...token.sources],
  created_at: token.createdAt,
  ...(token.revokedAt === undefined ? {} : { revoked_at: token.revokedAt }),
})
