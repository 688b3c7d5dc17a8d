import { z } from 'zod'

/** Lists: `{items, next, as_of, complete}`, whatever stands in them. */

export const asOf = z.int().min(-1).describe('Last seq that the answer knows of; -1 before the first.')
export const complete = z
  .boolean()
  .describe('Whether the answer knows every entry that the ledger had when the request came.')

/** A page of `item`s; `next` is the cursor of the page after, null on the last. */
export const pageOf = <Item extends z.ZodType>(item: Item) =>
  z.strictObject({
    items: z.array(item),
    next: z.string().nullable().describe('`cursor` of the next page; null on the last.'),
    as_of: asOf,
    complete,
  })

export const limitOf = (fallback: number, max: number) =>
  z.int().min(1).max(max).default(fallback).describe(`How many at most: 1 to ${max}.`)

export const cursor = z
  .string()
  .min(1)
  .max(256)
  .optional()
  .describe('`next` of the page before, with the same other parameters.')
