/**
 * The one table of faults. HTTP problems, CLI exit codes, client retries and the docs page are all read from it, so that
 * the same thing has the same name wherever somebody meets it.
 *
 * Expected outcomes are returned; a `Fault` is thrown where the caller can only pass it on.
 */

interface FaultKind {
  /** HTTP status of the problem. */
  readonly status: number
  /** RFC 9457 `title`: the same for every occurrence. */
  readonly title: string
  /** Whether the same request may succeed later, unchanged. */
  readonly retry: boolean
  /** What the person who meets it should do. */
  readonly hint: string
}

export const faults = {
  'malformed-json': {
    status: 400,
    title: 'The body is not the JSON we can keep',
    retry: false,
    hint: 'Send I-JSON (RFC 7493): UTF-8, no duplicate names, no numbers that lose digits.',
  },
  'invalid-event': {
    status: 400,
    title: 'An event does not fit its schema',
    retry: false,
    hint: 'Each entry of `errors` points at one fault. Schemas: GET /openapi.json, or schemas/ in the repository.',
  },
  'invalid-request': {
    status: 400,
    title: 'The request does not fit',
    retry: false,
    hint: 'Each entry of `errors` names a parameter and what it takes.',
  },
  'malformed-request': {
    status: 400,
    title: 'The request is not HTTP that the service reads',
    retry: false,
    hint: 'See `detail`: a URL that is no percent-encoded UTF-8, a header that cannot be, a body of another length.',
  },
  unauthenticated: {
    status: 401,
    title: 'No valid token came with the request',
    retry: false,
    hint: 'Send `Authorization: Bearer TOKEN`. The first admin token is in data/admin.token.',
  },
  forbidden: {
    status: 403,
    title: 'The token does not allow this',
    retry: false,
    hint: 'Tokens are scoped by ledger and role (emit, read, admin); an emitter cannot read.',
  },
  'ledger-unknown': {
    status: 404,
    title: 'There is no such ledger',
    retry: false,
    hint: 'An admin makes one with POST /v1/ledgers.',
  },
  'not-found': { status: 404, title: 'There is nothing here', retry: false, hint: 'Routes: GET /openapi.json.' },
  'method-not-allowed': {
    status: 405,
    title: 'The route does not take this method',
    retry: false,
    hint: 'Routes: GET /openapi.json.',
  },
  'not-acceptable': {
    status: 406,
    title: 'The answer cannot take that form',
    retry: false,
    hint: 'Ask for application/json.',
  },
  'request-timeout': {
    status: 408,
    title: 'The request did not come whole in time',
    retry: true,
    hint: 'Send the request again; nothing of it was taken.',
  },
  'event-conflict': {
    status: 409,
    title: 'An event with this source and id is in the ledger with other content',
    retry: false,
    hint: 'An id is for ever. Give the new event a new id.',
  },
  'ledger-exists': {
    status: 409,
    title: 'There is a ledger of that name',
    retry: false,
    hint: 'Use it, or choose another name.',
  },
  'body-too-large': {
    status: 413,
    title: 'The body is over the limit',
    retry: false,
    hint: 'Send smaller batches; the limit is AEP_LEDGER_BODY_BYTES_MAX.',
  },
  'entry-too-large': {
    status: 413,
    title: 'An event is too large for an entry',
    retry: false,
    hint: 'An entry holds 65,535 bytes. Keep payloads elsewhere and send their digests.',
  },
  'unsupported-media-type': {
    status: 415,
    title: 'The body is of a type that this route does not read',
    retry: false,
    hint: 'application/cloudevents+json, application/cloudevents-batch+json, application/x-ndjson or application/json.',
  },
  'expectation-failed': {
    status: 417,
    title: 'The service does not do what Expect asks',
    retry: false,
    hint: 'Send `Expect: 100-continue`, or nothing.',
  },
  'rate-limited': {
    status: 429,
    title: 'This token sends more than it may',
    retry: true,
    hint: 'Wait as Retry-After says.',
  },
  'headers-too-large': {
    status: 431,
    title: 'The head of the request is over the limit',
    retry: false,
    hint: 'Method, address and headers together hold 16 KiB.',
  },
  internal: {
    status: 500,
    title: 'The service failed',
    retry: true,
    hint: 'The log has the request id. Sending the same event again is safe.',
  },
  'row-damaged': {
    status: 500,
    title: 'A search row is not the entry that it stands for',
    retry: false,
    hint: 'The log is untouched, the rows are not: find out who changed them; then `aep-ledger rebuild --search`.',
  },
  'not-ready': {
    status: 503,
    title: 'A part that the service needs is not ready',
    retry: true,
    hint: 'See `parts`, and `aep-ledger doctor`.',
  },
  overloaded: {
    status: 503,
    title: 'The service has more work than it can promise to finish',
    retry: true,
    hint: 'Wait as Retry-After says; sending the same event again is safe.',
  },
  'shutting-down': {
    status: 503,
    title: 'The service is stopping',
    retry: true,
    hint: 'Wait as Retry-After says; sending the same event again is safe.',
  },
  'log-unavailable': {
    status: 503,
    title: 'The ledger log cannot be written',
    retry: true,
    hint: 'Nothing was acknowledged. See `aep-ledger doctor`.',
  },
  'query-unavailable': {
    status: 503,
    title: 'Search is not available',
    retry: true,
    hint: 'ClickHouse is down or behind; ingest, leases and entries go on.',
  },
} as const satisfies Record<string, FaultKind>

export type FaultCode = keyof typeof faults

/** One place that is wrong, for `errors` of an RFC 9457 problem. */
export interface FaultDetail {
  /** RFC 6901 pointer into the body, or the name of the parameter or header. */
  readonly pointer: string
  readonly detail: string
}

/** A fault of the table, thrown; `detail` says what it was this time. */
export class Fault extends Error {
  readonly code: FaultCode
  readonly errors: readonly FaultDetail[]

  constructor(code: FaultCode, detail: string, errors: readonly FaultDetail[] = [], cause?: unknown) {
    super(detail, cause === undefined ? undefined : { cause })
    this.name = 'Fault'
    this.code = code
    this.errors = errors
  }
}
