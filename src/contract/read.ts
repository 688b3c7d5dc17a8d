import type { z } from 'zod'
import { pointerOf } from '../aep/event/faults.ts'
import type { FaultDetail } from '../base/fault.ts'
import { nearest } from './nearest.ts'

/** Requests, read by their shapes: what fits is typed from here on, and what does not is listed whole. */

export type Reading<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly errors: readonly FaultDetail[] }

/**
 * Parameters of a query by `shape`, from the text behind `?`: a member that is a number takes decimal digits, one that is
 * an array may be repeated, any other stands once. Unknown names, other spellings of numbers and bytes that are no
 * percent-encoded UTF-8 are errors; nothing is guessed and nothing is dropped.
 */
export function readQuery<S extends z.ZodObject>(shape: S, query: string): Reading<z.output<S>> {
  const known = Object.keys(shape.shape)
  const errors: FaultDetail[] = []
  const values = new Map<string, unknown>()
  for (const [name, text] of pairsOf(query, errors)) {
    if (!known.includes(name)) errors.push({ pointer: name.slice(0, 64), detail: unknownName(name, known) })
    else addValue(values, name, text, kindOf(shape.shape[name]), errors)
  }
  const read = shape.safeParse(Object.fromEntries(values))
  if (!read.success) {
    // A parameter that could not even be read is absent here; it has its error already.
    const named = new Set(errors.map(error => error.pointer))
    errors.push(...detailsOf(read.error, path => String(path[0] ?? '')).filter(({ pointer }) => !named.has(pointer)))
  }
  return read.success && errors.length === 0 ? { ok: true, value: read.data } : { ok: false, errors }
}

/** Parameters of a path by their shapes, from their decoded texts. */
export function readParams(
  shapes: Readonly<Record<string, z.ZodType>>,
  texts: Readonly<Record<string, string>>,
): Reading<Record<string, unknown>> {
  const value: Record<string, unknown> = {}
  const errors: FaultDetail[] = []
  for (const [name, shape] of Object.entries(shapes)) {
    const values = new Map<string, unknown>()
    addValue(values, name, texts[name] ?? '', kindOf(shape), errors)
    if (!values.has(name)) continue
    const read = shape.safeParse(values.get(name))
    if (read.success) value[name] = read.data
    else errors.push(...detailsOf(read.error, () => name))
  }
  return errors.length === 0 ? { ok: true, value } : { ok: false, errors }
}

/** A JSON body by `shape`; pointers are RFC 6901. */
export function readBody<S extends z.ZodType>(shape: S, value: unknown): Reading<z.output<S>> {
  const read = shape.safeParse(value)
  if (read.success) return { ok: true, value: read.data }
  return { ok: false, errors: detailsOf(read.error, pointerOf) }
}

const detailsOf = (error: z.ZodError, pointer: (path: readonly PropertyKey[]) => string): FaultDetail[] =>
  error.issues.map(issue => ({ pointer: pointer(issue.path).slice(0, 256), detail: issue.message.slice(0, 256) }))

type Kind = 'text' | 'number' | 'list'

function kindOf(schema: unknown): Kind {
  const { type, innerType } = (schema as z.core.$ZodType)._zod.def as { type: string; innerType?: unknown }
  if (innerType !== undefined) return kindOf(innerType)
  return type === 'number' ? 'number' : type === 'array' ? 'list' : 'text'
}

function addValue(values: Map<string, unknown>, name: string, text: string, kind: Kind, errors: FaultDetail[]): void {
  const before = values.get(name)
  if (kind === 'list') {
    if (Array.isArray(before)) before.push(text)
    else values.set(name, [text])
  } else if (before !== undefined) errors.push({ pointer: name, detail: 'stands more than once' })
  else if (kind === 'text') values.set(name, text)
  else if (/^(?:0|[1-9]\d{0,15})$/.test(text)) values.set(name, Number(text))
  else errors.push({ pointer: name, detail: 'takes a whole number in decimal digits' })
}

function* pairsOf(query: string, errors: FaultDetail[]): Generator<readonly [string, string]> {
  for (const piece of query.split('&')) {
    if (piece === '') continue
    const at = piece.indexOf('=')
    const [name, value] = at < 0 ? [piece, ''] : [piece.slice(0, at), piece.slice(at + 1)]
    const pair = [decode(name), decode(value)] as const
    if (pair[0] === undefined || pair[1] === undefined) {
      errors.push({ pointer: pair[0] ?? name.slice(0, 64), detail: 'is not percent-encoded UTF-8' })
    } else yield [pair[0], pair[1]]
  }
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    return undefined
  }
}

function unknownName(name: string, known: readonly string[]): string {
  const meant = nearest(name, known)
  const hint = meant === undefined ? `There are: ${known.join(', ')}.` : `Did you mean ${meant}?`
  return known.length === 0 ? 'is unknown: this route takes no parameters' : `is unknown. ${hint}`
}
