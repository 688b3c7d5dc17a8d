import assert from 'node:assert/strict'
import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { faults } from '../../../src/base/fault.ts'
import { faultsOf, type Operation, operations } from '../../../src/contract/operations.ts'
import { problem } from '../../../src/contract/problem.ts'
import { adminToken } from './world.ts'

export interface Ask {
  readonly method?: 'GET' | 'POST' | 'DELETE'
  readonly url: string
  /** Absent: the admin's. `null`: none at all. */
  readonly token?: string | null
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: unknown
}

export interface Told {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | number | undefined>>
  readonly text: string
  readonly json: Json
}

/** An answer's JSON, read without ceremony: a member that is not there fails the assertion that looks at it. */
// biome-ignore lint/suspicious/noExplicitAny: tests look into whatever came back, and assert on it.
type Json = any

/**
 * Asks the app, and holds every answer to the contract: a documented status, the documented media type, a body of the
 * documented shape, a problem where it failed.
 */
export async function ask(app: FastifyInstance, { method = 'GET', url, token, headers, body }: Ask): Promise<Told> {
  const response = await app.inject({
    method,
    url,
    headers: {
      ...(token === null ? {} : { authorization: `Bearer ${token ?? adminToken}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { payload: payloadOf(body) }),
  })
  const type = String(response.headers['content-type'] ?? '').split(';', 1)[0] ?? ''
  const json = type.endsWith('json') && !type.includes('ndjson') ? response.json() : undefined
  const told = { status: response.statusCode, headers: response.headers, text: response.body, json }
  checkContract(method, url, type, told)
  return told
}

const payloadOf = (body: unknown): string | Buffer =>
  body instanceof Uint8Array ? Buffer.from(body) : typeof body === 'string' ? body : JSON.stringify(body)

function checkContract(method: string, url: string, type: string, told: Told): void {
  if (told.status >= 400) {
    assert.equal(type, 'application/problem+json', told.text)
    const { code, status } = problem.parse(told.json)
    assert.equal(status, told.status)
    assert.equal(faults[code].status, told.status)
    if (faults[code].retry) assert.match(String(told.headers['retry-after']), /^[1-9]\d*$/)
  }
  const operation = operationAt(method, url)
  if (operation === undefined) {
    assert.ok([400, 404, 405].includes(told.status), `${told.status} where there is no route`)
    return
  }
  const answer = operation.answers[told.status]
  if (answer === undefined) {
    assert.ok(faultsOf(operation).includes(told.json.code), `${told.json.code} is not documented`)
    return
  }
  if (told.status === 204) return
  const shape = answer.content[type]
  assert.ok(shape !== undefined, `${type} is not documented`)
  if (shape instanceof z.ZodType) shape.parse(told.json)
}

export function operationAt(method: string, url: string): Operation | undefined {
  const path = url.split('?', 1)[0] ?? ''
  return Object.values<Operation>(operations).find(
    operation =>
      operation.method === method &&
      new RegExp(`^${operation.path.replaceAll('.', '\\.').replaceAll(/\{\w+\}/g, '[^/]+')}$`).test(path),
  )
}

export const eventsUrl = '/v1/ledgers/default/events'

/** The smallest event there is, with what a test adds. */
export const anEvent = (over: Readonly<Record<string, unknown>> = {}) => ({
  specversion: '1.0',
  id: '1',
  source: 'urn:g',
  type: 'aep.decision',
  time: '2026-01-01T00:00:00Z',
  data: { decision: 'allow' },
  ...over,
})

export const lines = (events: readonly unknown[]): string => events.map(event => `${JSON.stringify(event)}\n`).join('')
