import { z } from 'zod'
import { emitterEventSchemas } from '../aep/event/schema.ts'
import { type FaultCode, faults } from '../base/fault.ts'
import { type Answer, faultsOf, type Operation, operations } from './operations.ts'
import { problem, problemType } from './problem.ts'

/** OpenAPI 3.1 of the service, made from the operations and their shapes: nothing in it is written by hand. */

type Schema = Readonly<Record<string, unknown>>

/** The document. Cost: some 10 ms; make it once. */
export function openapi(version: string): Schema {
  const named = new Map<string, Schema>()
  const schemaOf = (shape: z.ZodType, io: 'input' | 'output'): Schema => hoist(shape, io, named)
  const paths: Record<string, Record<string, unknown>> = {}
  for (const [id, operation] of Object.entries<Operation>(operations)) {
    paths[operation.path] ??= {}
    Object.assign(paths[operation.path] ?? {}, {
      [operation.method.toLowerCase()]: describeOperation(id, operation, schemaOf),
    })
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'aep-ledger',
      version,
      description:
        'A tamper-evident ledger of what AI agents were allowed to do, what they did, and what changed in between.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    security: [{ bearer: [] }],
    tags: [...new Set(Object.values(operations).map(tagOf))].map(name => ({ name })),
    paths,
    components: {
      securitySchemes: { bearer: { type: 'http', scheme: 'bearer', description: 'A token of the ledger.' } },
      schemas: Object.fromEntries([...named].sort(([a], [b]) => (a < b ? -1 : 1))),
    },
  }
}

/** `aep.lease.granted` is named `LeaseGrantedEvent`. */
const eventName = (type: string): string =>
  `${type.replaceAll(/(?:^aep)?\.(\w)/g, (_, letter: string) => letter.toUpperCase())}Event`

const [firstEvent, ...otherEvents] = Object.entries(emitterEventSchemas).map(([type, schema]) =>
  (schema as z.ZodType).meta({ id: eventName(type) }),
)
const event = z
  .union(firstEvent === undefined ? [] : [firstEvent, ...otherEvents])
  .meta({ id: 'Event', description: 'A CloudEvents 1.0 event of one of the types that emitters send.' })

type SchemaOf = (shape: z.ZodType, io: 'input' | 'output') => Schema

function describeOperation(id: string, operation: Operation, schemaOf: SchemaOf): Schema {
  const parameters = [
    ...Object.entries(operation.params).map(([name, shape]) => ({
      ...{ name, in: 'path', required: true, schema: schemaOf(shape, 'input') },
    })),
    ...queryParameters(operation.query, schemaOf),
    ...Object.entries(operation.headers ?? {}).map(([name, { shape, about }]) => ({
      ...{ name, in: 'header', required: false, description: about, schema: schemaOf(shape, 'input') },
    })),
  ]
  return {
    operationId: id,
    summary: operation.summary,
    tags: [tagOf(operation)],
    ...(operation.role === 'none' ? { security: [] } : { description: `Asks for the role \`${operation.role}\`.` }),
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(operation.body === undefined ? {} : { requestBody: describeBody(operation.body, schemaOf) }),
    responses: {
      ...Object.fromEntries(
        Object.entries<Answer>(operation.answers).map(([status, answer]) => [status, describeAnswer(answer, schemaOf)]),
      ),
      ...describeFaults(faultsOf(operation), schemaOf),
    },
  }
}

const tagOf = (operation: Operation): string =>
  operation.role === 'none' ? 'public' : operation.role === 'admin' ? 'administration' : 'ledger'

function queryParameters(shape: z.ZodObject, schemaOf: SchemaOf): Schema[] {
  return Object.entries(shape.shape).map(([name, member]) => {
    const { description, default: fallback, ...schema } = schemaOf(member as z.ZodType, 'input')
    return {
      ...{
        name,
        in: 'query',
        required: false,
        schema: fallback === undefined ? schema : { ...schema, default: fallback },
      },
      ...(description === undefined ? {} : { description }),
    }
  })
}

function describeBody(body: NonNullable<Operation['body']>, schemaOf: SchemaOf): Schema {
  const one = schemaOf(event, 'input')
  const many = { type: 'array', minItems: 1, items: one }
  const content = Object.entries(body).map(([type, shape]) => {
    if (shape === 'event') return [type, { schema: one }]
    if (shape === 'events') return [type, { schema: type.includes('batch') ? many : { anyOf: [one, many] } }]
    if (shape === 'event-lines') return [type, { schema: { type: 'string', description: 'An event a line.' } }]
    return [type, { schema: schemaOf(shape, 'input') }]
  })
  return { required: true, content: Object.fromEntries(content) }
}

function describeAnswer({ about, content, headers }: Answer, schemaOf: SchemaOf): Schema {
  const bodies = Object.entries(content).map(([type, shape]) => [
    type,
    { schema: shape === 'text' ? { type: 'string' } : schemaOf(shape, 'output') },
  ])
  const named = Object.entries(headers ?? {}).map(([name, says]) => [
    name,
    { description: says, schema: { type: 'string' } },
  ])
  return {
    description: about,
    ...(bodies.length > 0 ? { content: Object.fromEntries(bodies) } : {}),
    ...(named.length > 0 ? { headers: Object.fromEntries(named) } : {}),
  }
}

function describeFaults(codes: readonly FaultCode[], schemaOf: SchemaOf): Schema {
  const byStatus = Map.groupBy(codes, code => faults[code].status)
  const responses = [...byStatus].map(([status, found]) => [
    String(status),
    {
      description: found.map(code => `\`${code}\`: ${faults[code].title}.`).join(' '),
      content: { [problemType]: { schema: schemaOf(problem, 'output') } },
      ...headersOf(status, found),
    },
  ])
  return Object.fromEntries(responses)
}

function headersOf(status: number, codes: readonly FaultCode[]): Schema {
  const header = (description: string, type: string) => ({ headers: { [description]: { schema: { type } } } })
  if (status === 401) return header('WWW-Authenticate', 'string')
  return codes.some(code => faults[code].retry) ? header('Retry-After', 'integer') : {}
}

/** JSON Schema of `shape`; shapes with a name of their own go to `named` and are referred to. */
function hoist(shape: z.ZodType, io: 'input' | 'output', named: Map<string, Schema>): Schema {
  const made = z.toJSONSchema(shape, { io, target: 'draft-2020-12', unrepresentable: 'any' }) as Record<string, unknown>
  const { $schema: _, $defs, ...rest } = pointToComponents(made) as Record<string, unknown>
  for (const [name, schema] of Object.entries(($defs ?? {}) as Record<string, Schema>)) {
    const { id: __, ...body } = schema
    named.set(name, body)
  }
  return rest
}

const pointToComponents = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(pointToComponents)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [
      name,
      name === '$ref' && typeof member === 'string'
        ? member.replace('#/$defs/', '#/components/schemas/')
        : pointToComponents(member),
    ]),
  )
}
