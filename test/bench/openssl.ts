import { execFileSync } from 'node:child_process'

export interface OpensslRates {
  /** Ed25519 signatures a second on one core. */
  readonly sign: number
  /** Ed25519 verifications a second on one core. */
  readonly verify: number
}

/** The peer of every signing figure: `openssl speed ed25519` on one core, now, for `seconds` each. */
export function opensslRates(seconds: number): OpensslRates {
  const out = execFileSync('openssl', ['speed', '-seconds', String(seconds), 'ed25519'], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const [, sign, verify] = /Ed25519\)\s+\S+\s+\S+\s+([\d.]+)\s+([\d.]+)/.exec(out) ?? []
  if (sign === undefined || verify === undefined) throw new Error(`openssl speed said something else: ${out}`)
  return { sign: Number(sign), verify: Number(verify) }
}
