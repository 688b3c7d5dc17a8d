import { z } from 'zod'
import type { Json } from '../json.ts'
import { approvalModes, decisions, denyReasonClasses, sideEffectClasses, stateDigestKinds } from '../sets.ts'
import { isDateTime } from '../time.ts'

/** The kinds of member that events are made of. Every text and list is bounded by the entry that holds it, at the latest. */

export const textMax = 1024

/** An id or a name. */
export const name = z.string().min(1).max(textMax)
export const names = z.array(name)
/** A digest: 16 to 64 lower-case hex digits. A short one is a weaker assumption, not a fault. */
export const digest = z.string().regex(/^[0-9a-f]{16,64}$/, 'takes 16 to 64 lower-case hex digits')
/** SHA-256, whole. */
export const sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'takes 64 lower-case hex digits')
/** A sentence for people. */
export const sentence = z.string()
/** A moment as the emitter spells it, date or not: what it is worth is for the views to say. */
export const asGiven = z.string().max(textMax)
export const dateTime = z
  .string()
  .max(64)
  .refine(isDateTime, 'takes an RFC 3339 date-time, such as 2026-01-01T00:00:00Z')
export const flag = z.boolean()
export const count = z.int().min(0)
/** A bound on a number of uses. One of zero or less is used up from the start. */
export const limit = z.int()
/** Milliseconds since the epoch, as the emitter counts them. */
export const ms = z.number()
// The value came out of `parseJson`, so whatever stands here is JSON.
export const json = z.unknown() as unknown as z.ZodType<Json>
export const jsonObject = z.record(z.string(), json)

export const decision = z.enum(decisions)
export const approvalMode = z.enum(approvalModes)
export const denyReasonClass = z.enum(denyReasonClasses)
export const sideEffectClass = z.enum(sideEffectClasses)

/** Freedom, typed: a closed set on top, evidence below. */
export const extension = z.strictObject({ namespace: name, mode: name, evidence_digest: digest }).meta({
  description: 'What the closed sets have no word for: whose word it is, the word, and a digest of its evidence.',
})

/**
 * Members of the emitter's own format that have no place in ours, kept as they came. Nothing reads them: they are there
 * for people, and so that an import loses nothing.
 */
export const unmapped = jsonObject.meta({
  description: 'What the emitter said that has no member of its own here. Never interpreted.',
})

export const stateDigest = z.strictObject({
  digest,
  kind: z.enum(stateDigestKinds).exactOptional(),
  coverage: jsonObject.exactOptional(),
})

/** The terms of a lease, as an emitter restates them: compared by people, never believed over the grant. */
export const leaseTerms = z.strictObject({
  granted_tools: names.exactOptional(),
  expires_at: asGiven.exactOptional(),
  state_changing: flag.exactOptional(),
  max_invocations: limit.exactOptional(),
})

/** Who, where and in which run: members that most kinds of event may carry. */
export const context = {
  principal_hash: digest.exactOptional(),
  server_id: name.exactOptional(),
  tool_name: name.exactOptional(),
  session_id: name.exactOptional(),
  run_id: name.exactOptional(),
}

/** An Ed25519 public key under its id. */
export const publicKey = z.strictObject({
  key_id: z.string().regex(/^[\x21-\x7e]{1,128}$/, 'takes 1 to 128 visible ASCII characters'),
  alg: z.literal('ed25519'),
  public_hex: sha256,
})
