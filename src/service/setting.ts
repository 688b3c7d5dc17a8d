import { readFileSync } from 'node:fs'
import { z } from 'zod'

/** One setting of the environment, by its name without `prefix`. */
export interface Setting {
  readonly schema: z.ZodType<unknown, string>
  readonly fallback?: string
  readonly secret?: true
  readonly says: string
}

export type Env = Readonly<Record<string, string | undefined>>

export const prefix = 'AEP_LEDGER_'

type Parsed<S extends Setting> = z.output<S['schema']>

/** Every setting parsed; one without a fallback may be absent. */
export type Values<T extends Record<string, Setting>> = {
  readonly [K in keyof T]: T[K] extends { fallback: string } ? Parsed<T[K]> : Parsed<T[K]> | undefined
}

export const whole = (min: number, max: number) =>
  z.stringFormat('whole number', /^\d+$/).transform(Number).pipe(z.number().min(min).max(max))

/**
 * What `env` says of `settings`. Each error is added to `errors`, by the name of its variable; the values are complete only
 * when there is none.
 */
export function parseSettings<T extends Record<string, Setting>>(settings: T, env: Env, errors: string[]): Values<T> {
  const values: Record<string, unknown> = {}
  for (const [name, setting] of Object.entries<Setting>(settings)) {
    const text = given(name, setting, env, errors) ?? setting.fallback
    if (text === undefined) continue
    const parsed = setting.schema.safeParse(text)
    if (parsed.success) values[name] = parsed.data
    else errors.push(`${prefix}${name}: ${parsed.error.issues.map(issue => issue.message).join('; ')}`)
  }
  return values as Values<T>
}

function given(name: string, setting: Setting, env: Env, errors: string[]): string | undefined {
  const text = env[prefix + name]
  const file = setting.secret ? env[`${prefix}${name}_FILE`] : undefined
  if (file === undefined) return text
  if (text !== undefined) errors.push(`${prefix}${name}: given twice, by value and by _FILE`)
  try {
    return readFileSync(file, 'utf8').trim()
  } catch (error) {
    errors.push(`${prefix}${name}_FILE: ${file} can't be read (${(error as NodeJS.ErrnoException).code})`)
    return undefined
  }
}
