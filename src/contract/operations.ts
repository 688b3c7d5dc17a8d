import { z } from 'zod'
import type { FaultCode } from '../base/fault.ts'
import * as admin from './admin.ts'
import { dsseLinesType, entriesPage, entriesQuery, entryItem, eventStreamType } from './entries.ts'
import { eventTypeBatch, eventTypeOne, jsonType, ndjsonType, receipts } from './ingest.ts'
import { leaseQuery, leasesOfId, leasesPage, leasesQuery } from './leases.ts'
import { keyId, ledgerName, seq, tokenId } from './names.ts'
import { faultPage } from './problem.ts'
import { searchPage, searchQuery } from './search.ts'

/** Every route of the service: what the router registers, what OpenAPI says and what tests hold both to. */

export interface Answer {
  readonly about: string
  /** Shape by media type; `text` where it is not JSON. */
  readonly content: Readonly<Record<string, z.ZodType | 'text'>>
  readonly headers?: Readonly<Record<string, string>>
}

export interface Operation {
  readonly method: 'GET' | 'POST' | 'DELETE'
  readonly path: string
  readonly summary: string
  /** Least role of the token; `none` asks for no token. */
  readonly role: 'emit' | 'read' | 'admin' | 'none'
  readonly params: Readonly<Record<string, z.ZodType>>
  readonly query: z.ZodObject
  readonly headers?: Readonly<Record<string, { readonly shape: z.ZodType; readonly about: string }>>
  /** Body by media type; `event`, `batch` and `lines` are the three ways to send events. */
  readonly body?: Readonly<Record<string, z.ZodType | 'event' | 'events' | 'event-lines'>>
  readonly answers: Readonly<Record<number, Answer>>
  /** Faults besides those that any route may meet. */
  readonly faults: readonly FaultCode[]
}

const none = z.strictObject({})
const ledger = { ledger: ledgerName }
const json = (about: string, shape: z.ZodType): Answer => ({ about, content: { [jsonType]: shape } })
const next = { Link: 'Address of the next page, `rel="next"`, where there is one.' }
const prefer = {
  prefer: { shape: z.string(), about: '`respond-async`: answer 202 as soon as the events are durable.' },
}
const lastEventId = {
  'last-event-id': { shape: z.string(), about: 'When following: the last seq that was seen; it goes on after it.' },
}

export const operations = {
  emitEvents: {
    method: 'POST',
    path: '/v1/ledgers/{ledger}/events',
    summary: 'Put events into the ledger',
    role: 'emit',
    params: ledger,
    query: none,
    headers: prefer,
    body: { [eventTypeOne]: 'event', [eventTypeBatch]: 'events', [jsonType]: 'events', [ndjsonType]: 'event-lines' },
    answers: {
      201: json(
        'Every event has its place and is durable; an item says `conflict` where another has its id.',
        receipts,
      ),
      202: {
        ...json('As asked by `Prefer: respond-async`.', receipts),
        headers: { 'Preference-Applied': 'respond-async' },
      },
    },
    faults: ['malformed-json', 'invalid-event', 'event-conflict', 'entry-too-large', 'log-unavailable', 'overloaded'],
  },
  searchEvents: {
    method: 'GET',
    path: '/v1/ledgers/{ledger}/events',
    summary: 'Search events, newest first',
    role: 'read',
    params: ledger,
    query: searchQuery,
    answers: { 200: { ...json('Hits.', searchPage), headers: next } },
    faults: ['query-unavailable', 'row-damaged'],
  },
  listEntries: {
    method: 'GET',
    path: '/v1/ledgers/{ledger}/entries',
    summary: 'Read the log in order: a page, an export, or what comes from now on',
    role: 'read',
    params: ledger,
    query: entriesQuery,
    headers: lastEventId,
    answers: {
      200: {
        about: `A page; as ${dsseLinesType} all entries up to the end, an envelope a line; as ${eventStreamType} without end.`,
        content: { [jsonType]: entriesPage, [dsseLinesType]: 'text', [eventStreamType]: 'text' },
        headers: next,
      },
    },
    faults: ['overloaded'],
  },
  getEntry: {
    method: 'GET',
    path: '/v1/ledgers/{ledger}/entries/{seq}',
    summary: 'One entry',
    role: 'read',
    params: { ...ledger, seq },
    query: none,
    answers: { 200: json('The entry.', entryItem) },
    faults: ['not-found'],
  },
  getRecord: {
    method: 'GET',
    path: '/v1/ledgers/{ledger}/entries/{seq}/record',
    summary: 'The AEP record of an entry, as the exact text that came',
    role: 'read',
    params: { ...ledger, seq },
    query: none,
    answers: { 200: { about: 'The bytes of the record.', content: { 'application/octet-stream': 'text' } } },
    faults: ['not-found'],
  },
  listLeases: {
    method: 'GET',
    path: '/v1/ledgers/{ledger}/leases',
    summary: 'Leases as they stood at a moment',
    role: 'read',
    params: ledger,
    query: leasesQuery,
    answers: { 200: { ...json('Leases.', leasesPage), headers: next } },
    faults: [],
  },
  getLease: {
    method: 'GET',
    path: '/v1/ledgers/{ledger}/leases/{lease}',
    summary: 'The leases that were granted under an id',
    role: 'read',
    params: { ...ledger, lease: z.string().min(1).max(1024) },
    query: leaseQuery,
    answers: { 200: { ...json('One, or more where the id was granted again.', leasesOfId), headers: next } },
    faults: ['not-found'],
  },
  listKeys: {
    method: 'GET',
    path: '/v1/ledgers/{ledger}/keys',
    summary: 'Public keys that signed the ledger',
    role: 'none',
    params: ledger,
    query: none,
    answers: { 200: json('Keys and the seqs that each signs.', admin.ledgerKeys) },
    faults: ['invalid-request', 'ledger-unknown'],
  },
  rotateKey: {
    method: 'POST',
    path: '/v1/keys/rotate',
    summary: 'Make a new signing key, in force in every ledger',
    role: 'admin',
    params: {},
    query: none,
    answers: { 201: json('The new key.', admin.rotatedKey) },
    faults: ['log-unavailable', 'overloaded'],
  },
  revokeKey: {
    method: 'POST',
    path: '/v1/ledgers/{ledger}/keys/{key_id}/revoke',
    summary: 'Say that a key is not to be believed any more, and since when',
    role: 'admin',
    params: { ...ledger, key_id: keyId },
    query: none,
    body: { [jsonType]: admin.keyRevocation },
    answers: { 201: json('The revocation.', admin.revokedKey) },
    faults: ['malformed-json', 'not-found', 'log-unavailable', 'overloaded'],
  },
  registerEmitter: {
    method: 'POST',
    path: '/v1/ledgers/{ledger}/emitters',
    summary: 'Register a gateway’s key',
    role: 'admin',
    params: ledger,
    query: none,
    body: { [jsonType]: admin.newEmitter },
    answers: { 201: json('The key as registered.', admin.emitter) },
    faults: ['malformed-json', 'log-unavailable', 'overloaded'],
  },
  revokeEmitter: {
    method: 'DELETE',
    path: '/v1/ledgers/{ledger}/emitters/{key_id}',
    summary: 'End a gateway’s key',
    role: 'admin',
    params: { ...ledger, key_id: keyId },
    query: none,
    answers: { 204: { about: 'Done.', content: {} } },
    faults: ['not-found', 'log-unavailable', 'overloaded'],
  },
  listLedgers: {
    method: 'GET',
    path: '/v1/ledgers',
    summary: 'Ledgers that the token holds for',
    role: 'read',
    params: {},
    query: none,
    answers: { 200: json('Ledgers with their heads.', admin.ledgerList) },
    faults: [],
  },
  getLedger: {
    method: 'GET',
    path: '/v1/ledgers/{ledger}',
    summary: 'The head of a ledger',
    role: 'read',
    params: ledger,
    query: none,
    answers: { 200: json('The ledger.', admin.ledgerState) },
    faults: [],
  },
  createLedger: {
    method: 'POST',
    path: '/v1/ledgers',
    summary: 'Make a ledger',
    role: 'admin',
    params: {},
    query: none,
    body: { [jsonType]: admin.newLedger },
    answers: { 201: { ...json('The ledger.', admin.ledgerState), headers: { Location: 'Its address.' } } },
    faults: ['malformed-json', 'ledger-exists', 'log-unavailable', 'overloaded'],
  },
  listTokens: {
    method: 'GET',
    path: '/v1/tokens',
    summary: 'Tokens for ledgers that the token holds for',
    role: 'admin',
    params: {},
    query: none,
    answers: { 200: json('Tokens, without their text.', admin.tokenList) },
    faults: [],
  },
  createToken: {
    method: 'POST',
    path: '/v1/tokens',
    summary: 'Make a token',
    role: 'admin',
    params: {},
    query: none,
    body: { [jsonType]: admin.newToken },
    answers: { 201: json('The token, shown once.', admin.madeToken) },
    faults: ['malformed-json'],
  },
  revokeToken: {
    method: 'DELETE',
    path: '/v1/tokens/{id}',
    summary: 'End a token',
    role: 'admin',
    params: { id: tokenId },
    query: none,
    answers: { 204: { about: 'Done.', content: {} } },
    faults: ['not-found'],
  },
  explainProblem: {
    method: 'GET',
    path: '/problems/{code}',
    summary: 'What a fault is and what to do about it',
    role: 'none',
    params: { code: z.string().regex(/^[a-z-]{1,40}$/) },
    query: none,
    answers: { 200: json('The fault.', faultPage) },
    faults: ['invalid-request', 'not-found'],
  },
  live: {
    method: 'GET',
    path: '/livez',
    summary: 'Whether the process answers',
    role: 'none',
    params: {},
    query: none,
    answers: { 200: json('It does.', admin.live) },
    faults: ['invalid-request'],
  },
  ready: {
    method: 'GET',
    path: '/readyz',
    summary: 'Whether the service can do its work',
    role: 'none',
    params: {},
    query: none,
    answers: { 200: json('It can; a part that is not essential may be down.', admin.ready) },
    faults: ['invalid-request', 'not-ready'],
  },
  metrics: {
    method: 'GET',
    path: '/metrics',
    summary: 'Metrics in Prometheus’ text format',
    role: 'none',
    params: {},
    query: none,
    answers: { 200: { about: 'Metrics.', content: { 'text/plain': 'text' } } },
    faults: ['invalid-request'],
  },
  openapi: {
    method: 'GET',
    path: '/openapi.json',
    summary: 'This document',
    role: 'none',
    params: {},
    query: none,
    answers: { 200: json('OpenAPI 3.1.', z.looseObject({ openapi: z.string() })) },
    faults: ['invalid-request'],
  },
} as const satisfies Record<string, Operation>

export type OperationId = keyof typeof operations

/** All faults that an operation may answer with, besides a request that is no HTTP at all. */
export function faultsOf(operation: Operation): readonly FaultCode[] {
  const codes: FaultCode[] = ['malformed-request', 'not-acceptable', 'headers-too-large', 'request-timeout']
  codes.push('internal', 'shutting-down')
  if (operation.role !== 'none') codes.push('unauthenticated', 'forbidden', 'rate-limited', 'invalid-request')
  if (operation.role !== 'none' && 'ledger' in operation.params) codes.push('ledger-unknown')
  if (operation.method !== 'GET') codes.push('body-too-large', 'unsupported-media-type', 'expectation-failed')
  return [...new Set([...codes, ...operation.faults])]
}
