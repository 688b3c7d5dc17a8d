import { utf8 } from '../base/bytes.ts'
import type { ViewChange } from '../projections/store.ts'

/** Name of the view that all folds of a ledger share, so that they have one position and one commit. */
export const stateView = 'state'
/** Shape of its rows: another version's are dropped, and folded again from the log. */
export const stateVersion = 1

/** A row that holds a value as JSON. */
export const row = (key: string, value: unknown): ViewChange => ({ key, value: utf8(JSON.stringify(value)) })
