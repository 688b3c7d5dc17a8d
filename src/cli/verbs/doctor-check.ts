/** One thing that was looked at. */
export interface Check {
  readonly name: string
  readonly state: 'ok' | 'note' | 'bad'
  readonly detail: string
}

export const ok = (name: string, detail: string): Check => ({ name, state: 'ok', detail })
export const note = (name: string, detail: string): Check => ({ name, state: 'note', detail })
export const bad = (name: string, detail: string): Check => ({ name, state: 'bad', detail })
