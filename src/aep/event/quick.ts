import { z } from 'zod'

/** A check that says yes or no. */
export type Quick = (value: unknown) => boolean

/**
 * A check made of a schema that says yes to nothing the schema refuses, several times as fast as the schema itself, because
 * it copies nothing and collects no faults. Where it says no the schema has the last word, and the words.
 *
 * It knows the kinds of schema that events are made of, and throws on any other, so that none is passed over.
 */
export function quick(schema: z.core.$ZodType): Quick {
  if (schema instanceof z.ZodObject) return ofObject(schema)
  if (schema instanceof z.ZodExactOptional) return quick(schema.def.innerType)
  if (schema instanceof z.ZodString) return ofString(schema)
  if (schema instanceof z.ZodNumber) return ofNumber(schema)
  if (schema instanceof z.ZodBoolean) return value => typeof value === 'boolean'
  if (schema instanceof z.ZodEnum) return among(Object.values(schema.def.entries))
  if (schema instanceof z.ZodLiteral) return among(schema.def.values)
  if (schema instanceof z.ZodUnknown) return () => true
  if (schema instanceof z.ZodArray && !hasChecks(schema)) return ofArray(quick(schema.def.element))
  if (schema instanceof z.ZodRecord && !hasChecks(schema)) return ofRecord(schema)
  if (schema instanceof z.ZodDiscriminatedUnion) return ofDiscriminated(schema)
  if (schema instanceof z.ZodUnion) return ofUnion(schema.def.options.map(quick))
  throw new Error(`no quick check of ${schema._zod.def.type}`)
}

const isPlain = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const hasChecks = (schema: z.core.$ZodType): boolean => (schema._zod.def.checks ?? []).length > 0

/** A strict object: every member known and right, and none of the required ones missing. */
function ofObject(schema: z.ZodObject): Quick {
  if (schema.def.catchall?._zod.def.type !== 'never' || hasChecks(schema))
    throw new Error('no quick check of a loose object')
  const members = new Map<string, { readonly check: Quick; readonly required: boolean }>()
  let required = 0
  for (const [name, member] of Object.entries(schema.def.shape)) {
    const isRequired = !(member instanceof z.ZodExactOptional)
    if (isRequired) required++
    members.set(name, { check: quick(member), required: isRequired })
  }
  return value => {
    if (!isPlain(value)) return false
    let found = 0
    for (const name of Object.keys(value)) {
      const member = members.get(name)
      if (member === undefined || value[name] === undefined || !member.check(value[name])) return false
      if (member.required) found++
    }
    return found === required
  }
}

function ofString(schema: z.ZodString): Quick {
  const checks = (schema.def.checks ?? []).map(stringCheck)
  const [first = () => true, second, ...others] = checks
  if (others.length > 0) throw new Error('no quick check of a string with so many checks')
  if (second === undefined) return value => typeof value === 'string' && first(value)
  return value => typeof value === 'string' && first(value) && second(value)
}

function stringCheck(check: z.core.$ZodCheck): (text: string) => boolean {
  const { def } = check._zod as {
    def: z.core.$ZodCheckDef & { minimum?: number; maximum?: number; pattern?: RegExp; fn?: Quick }
  }
  const { minimum, maximum, pattern, fn } = def
  if (def.check === 'min_length' && minimum !== undefined) return text => text.length >= minimum
  if (def.check === 'max_length' && maximum !== undefined) return text => text.length <= maximum
  if (def.check === 'string_format' && pattern !== undefined && pattern.flags === '') return text => pattern.test(text)
  if (def.check === 'custom' && fn !== undefined) return text => fn(text)
  throw new Error(`no quick check of ${def.check}`)
}

function ofNumber(schema: z.ZodNumber): Quick {
  const format = schema instanceof z.ZodNumberFormat ? schema._zod.def.format : undefined
  if (format !== undefined && format !== 'safeint') throw new Error(`no quick check of ${format}`)
  let least = Number.NEGATIVE_INFINITY
  for (const check of schema.def.checks ?? []) {
    const { def } = check._zod as { def: z.core.$ZodCheckDef & { value?: number; inclusive?: boolean } }
    if (def.check === 'number_format') continue
    if (def.check !== 'greater_than' || def.inclusive !== true || typeof def.value !== 'number') {
      throw new Error(`no quick check of ${def.check}`)
    }
    least = Math.max(least, def.value)
  }
  const isNumber = format === 'safeint' ? Number.isSafeInteger : Number.isFinite
  return value => typeof value === 'number' && isNumber(value) && value >= least
}

function among(values: readonly unknown[]): Quick {
  const [only] = values
  if (values.length === 1) return value => value === only
  return value => values.includes(value)
}

const ofArray =
  (element: Quick): Quick =>
  value => {
    if (!Array.isArray(value)) return false
    for (const item of value) if (!element(item)) return false
    return true
  }

function ofRecord(schema: z.ZodRecord): Quick {
  const isAny = schema.def.keyType instanceof z.ZodString && !hasChecks(schema.def.keyType)
  if (!isAny || !(schema.def.valueType instanceof z.ZodUnknown))
    throw new Error('no quick check of a record of some kind')
  return isPlain
}

function ofDiscriminated(schema: z.ZodDiscriminatedUnion): Quick {
  const { discriminator } = schema.def
  const branches = new Map<unknown, Quick>()
  for (const option of schema.def.options) {
    const check = quick(option)
    for (const value of option._zod.propValues?.[discriminator] ?? []) branches.set(value, check)
  }
  return value => isPlain(value) && branches.get(value[discriminator])?.(value) === true
}

const ofUnion =
  (options: readonly Quick[]): Quick =>
  value =>
    options.some(option => option(value))
