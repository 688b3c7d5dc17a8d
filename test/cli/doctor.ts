import { cli } from './run.ts'

/** What doctor found. */
export interface Diagnosis {
  readonly code: number | null
  /** `state detail` of the checks of that name. */
  told(name: string): readonly string[]
}

/** Runs doctor in that environment, where no service answers. */
export async function doctor(env: Readonly<Record<string, string>>, ...args: readonly string[]): Promise<Diagnosis> {
  const { code, out } = await cli(['doctor', '--url', 'http://127.0.0.1:9', '-o', 'json', ...args], { env })
  const checks = JSON.parse(out).checks as readonly { name: string; state: string; detail: string }[]
  return {
    code,
    told: name => checks.filter(check => check.name === name).map(({ state, detail }) => `${state} ${detail}`),
  }
}
