import { fromBase64, textOf } from '../../base/bytes.ts'
import type { DecisionFact, Fact, FactContext, ResultFact } from '../facts.ts'
import { isArray, isObject, type Json, type JsonObject } from '../json.ts'
import { sideEffectClasses } from '../sets.ts'

/**
 * The decisions and actions that the text of an AEPRecord (v0.1 to v0.4, bare, or inside a DSSE envelope) tells of, in
 * its order. What can't be read, or is not of the kind it should be, is left out: whether the record is sound is for its
 * verdict to say, and a view must not fall over it. Cost: one parse.
 */
export function recordFacts(text: string): readonly Fact[] {
  const record = recordOf(jsonOf(text))
  if (record === undefined) return []
  const facts: Fact[] = []
  const run = contextOf(record)
  for (const [index, item] of listOf(record, 'capability_decisions').entries()) {
    const id = `${run.run ?? ''}/capability_decisions/${index}`
    facts.push(decision(id, item, {}, { ...run, ...principalOf(item) }))
  }
  for (const action of listOf(record, 'actions')) facts.push(...actionFacts(action, run))
  return facts
}

function jsonOf(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json
  } catch {
    return undefined
  }
}

/** The record itself: of an envelope, the predicate of the in-toto statement that it carries. */
function recordOf(value: Json | undefined): JsonObject | undefined {
  if (!isObject(value)) return undefined
  const { payloadType, payload } = value
  if (typeof payloadType !== 'string' || typeof payload !== 'string' || 'schema_version' in value) return value
  const bytes = fromBase64(payload)
  const statement = bytes && jsonOf(textOf(bytes) ?? '')
  const predicate = isObject(statement) ? statement['predicate'] : undefined
  return isObject(predicate) ? predicate : undefined
}

function contextOf(record: JsonObject): FactContext {
  const principal = text(record, 'subject_id') ?? text(record, 'user_id')
  const run = text(record, 'run_id')
  const within = record['run_context']
  const session = isObject(within) ? text(within, 'session_id') : undefined
  const atMs = moment(record, 'created_at_ms')
  return {
    ...(principal === undefined ? {} : { principal }),
    ...(session === undefined ? {} : { session }),
    ...(run === undefined ? {} : { run }),
    ...(atMs === undefined ? {} : { atMs }),
  }
}

function principalOf(decided: JsonObject): FactContext {
  const principal = text(decided, 'subject')
  return principal === undefined ? {} : { principal }
}

/** What was decided about the action, where the record says so, and what became of it. */
function* actionFacts(action: JsonObject, run: FactContext): Generator<Fact> {
  const decided = action['capability_decision']
  const id = text(action, 'action_id')
  const tool = text(action, 'tool_name')
  const atMs = moment(action, 'timestamp_ms')
  const here: FactContext = {
    ...run,
    ...(isObject(decided) ? principalOf(decided) : {}),
    ...(tool === undefined ? {} : { tool }),
    ...(atMs === undefined ? {} : { atMs }),
  }
  if (id !== undefined && (isObject(decided) || text(action, 'scope_lease_id') !== undefined)) {
    yield decision(id, isObject(decided) ? decided : {}, action, here)
  }
  yield result(id, action, here)
}

function decision(decisionId: string, decided: JsonObject, action: JsonObject, here: FactContext): DecisionFact {
  const said = text(decided, 'decision')
  const denyReason = text(decided, 'deny_reason_class')
  const approvalMode = text(decided, 'approval_mode')
  const reason = text(decided, 'reason_code')
  const lease = text(action, 'scope_lease_id')
  const argsDigest = text(action, 'arguments_digest')
  const stateChanging = action['state_changing']
  return {
    kind: 'decision',
    decisionId,
    ...(said === undefined ? {} : { decision: said }),
    ...(denyReason === undefined ? {} : { denyReason }),
    sideEffect: sideEffectOf(action),
    ...(typeof stateChanging === 'boolean' ? { stateChanging } : {}),
    ...(approvalMode === undefined ? {} : { approvalMode }),
    ...(lease === undefined ? {} : { lease }),
    policies: [],
    reasons: reason === undefined ? [] : [reason],
    ...(argsDigest === undefined ? {} : { argsDigest }),
    ...here,
  }
}

function result(decisionId: string | undefined, action: JsonObject, here: FactContext): ResultFact {
  const outcome = text(action, 'outcome')
  const drift = action['argument_drift']
  const detected = isObject(drift) ? drift['detected'] : undefined
  return {
    kind: 'result',
    ...(decisionId === undefined ? {} : { decisionId }),
    ...(outcome === undefined ? {} : { outcome }),
    sideEffect: sideEffectOf(action),
    ...(typeof detected === 'boolean' ? { drift: detected } : {}),
    ...here,
  }
}

/** A class outside the set is as unknown as none. */
function sideEffectOf(action: JsonObject): string {
  const said = text(action, 'side_effect_class')
  return said !== undefined && classes.has(said) ? said : 'unknown'
}

const classes = new Set<string>(sideEffectClasses)

/** A text that can be an id or a key: records may hold lone surrogates, and those have no UTF-8. */
function text(object: JsonObject, name: string): string | undefined {
  const value = object[name]
  return typeof value === 'string' && value !== '' && value.isWellFormed() ? value : undefined
}

function moment(object: JsonObject, name: string): number | undefined {
  const value = object[name]
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined
}

function listOf(object: JsonObject, name: string): readonly JsonObject[] {
  const value = object[name]
  return isArray(value) ? value.filter(isObject) : []
}
