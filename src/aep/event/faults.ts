import { z } from 'zod'
import type { FaultDetail } from '../../base/fault.ts'
import { isArray, isObject, type Json } from '../json.ts'

type Issue = z.core.$ZodIssue

/** What a schema found, worded for the person who sent `value`: one fault a place, each with its RFC 6901 pointer. */
export function faultsOf(issues: readonly Issue[], value: Json, schema: z.ZodType): FaultDetail[] {
  return issues.flatMap(issue => faults(issue, [], value, schema))
}

/** RFC 6901 pointer of a path. */
export const pointerOf = (path: readonly PropertyKey[]): string =>
  path.map(step => `/${String(step).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')

function faults(issue: Issue, above: readonly PropertyKey[], value: Json, schema: z.ZodType): FaultDetail[] {
  const path = [...above, ...issue.path]
  const found = at(value, path)
  const one = (detail: string): FaultDetail[] => [{ pointer: pointerOf(path), detail }]
  if (issue.code === 'unrecognized_keys') {
    const known = membersAt(schema, path, value)
    return issue.keys.map(key => ({
      pointer: pointerOf([...path, key]),
      detail: `is not known here; known are ${known}`,
    }))
  }
  if (issue.code === 'invalid_union' && issue.errors.length > 0 && isObject(found)) {
    const nearest = issue.errors.reduce((least, other) => (weight(other) < weight(least) ? other : least))
    return nearest.flatMap(inner => faults(inner, path, value, schema))
  }
  if (found === undefined) return one(`is missing: ${needs(issue, schema, path, value)}`)
  return one(sentence(issue, found, schema, path, value))
}

/** How far a value is from one branch of a union: what it lacks and what it has beyond. */
const weight = (issues: readonly Issue[]): number =>
  issues.reduce((sum, issue) => sum + (issue.code === 'unrecognized_keys' ? issue.keys.length : 1), 0)

function sentence(issue: Issue, found: Json, schema: z.ZodType, path: readonly PropertyKey[], value: Json): string {
  const shown = show(found)
  switch (issue.code) {
    case 'invalid_value':
      return `${shown} is not ${choice(issue.values)}`
    case 'invalid_type':
      return `${shown} should be ${kind(issue.expected)}`
    case 'too_small':
      return issue.origin === 'string' ? 'should not be empty' : `${shown} should be at least ${issue.minimum}`
    case 'too_big':
      return issue.origin === 'string'
        ? `is longer than ${issue.maximum} characters`
        : `${shown} should be at most ${issue.maximum}`
    case 'invalid_union':
      return `${shown} ${needs(issue, schema, path, value)}`
    default:
      return `${shown} does not fit: ${issue.message}`
  }
}

/** What should stand at a place, where nothing or something else does. */
function needs(issue: Issue, schema: z.ZodType, path: readonly PropertyKey[], value: Json): string {
  if (issue.code === 'invalid_value') return `it takes ${choice(issue.values)}`
  if (issue.code === 'invalid_type') return `it takes ${kind(issue.expected)}`
  if (issue.code !== 'invalid_union') return issue.message
  const union = schemaAt(schema, path.slice(0, -1), value)
  if (!(union instanceof z.ZodDiscriminatedUnion)) return `does not fit: ${issue.message}`
  return `takes ${choice([...(union._zod.propValues[String(path.at(-1))] ?? [])])}`
}

const choice = (values: readonly unknown[]): string =>
  values.length === 1 ? JSON.stringify(values[0]) : `one of ${values.join(', ')}`

const kinds: Record<string, string> = {
  string: 'a string',
  number: 'a number',
  int: 'an integer',
  boolean: 'true or false',
  object: 'an object',
  record: 'an object',
  array: 'an array',
}
const kind = (expected: string): string => kinds[expected] ?? expected

/** A value as a fault may quote it: short. */
function show(value: Json): string {
  if (isArray(value)) return 'an array'
  if (isObject(value)) return 'an object'
  const text = JSON.stringify(value)
  return text.length <= 60 ? text : `${text.slice(0, 57)}…`
}

function at(value: Json, path: readonly PropertyKey[]): Json | undefined {
  let here: Json | undefined = value
  for (const step of path) {
    if (isArray(here)) here = here[Number(step)]
    else if (isObject(here) && Object.hasOwn(here, step)) here = here[String(step)]
    else return undefined
  }
  return here
}

function membersAt(schema: z.ZodType, path: readonly PropertyKey[], value: Json): string {
  const here = schemaAt(schema, path, value)
  const objects = here instanceof z.ZodUnion ? here.options : [here]
  const known = objects.flatMap(object => (object instanceof z.ZodObject ? Object.keys(object.shape) : []))
  return [...new Set(known)].join(', ')
}

/** The schema of the value at `path`; of a discriminated union, the branch that the value chose. */
function schemaAt(schema: z.ZodType, path: readonly PropertyKey[], value: Json): z.core.$ZodType | undefined {
  let here: z.core.$ZodType | undefined = schema
  for (const [depth, step] of path.entries()) {
    if (here instanceof z.ZodObject) here = here.shape[String(step)]
    else if (here instanceof z.ZodArray) here = here.element
    if (here instanceof z.ZodExactOptional) here = here.unwrap()
    if (here instanceof z.ZodDiscriminatedUnion) here = branch(here, at(value, path.slice(0, depth + 1))) ?? here
  }
  return here
}

function branch(union: z.ZodDiscriminatedUnion, value: Json | undefined): z.core.$ZodType | undefined {
  const { discriminator } = union.def
  const chosen = isObject(value) ? value[discriminator] : undefined
  return union.options.find(option => option._zod.propValues?.[discriminator]?.has(chosen as string) === true)
}
