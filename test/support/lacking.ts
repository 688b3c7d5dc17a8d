/**
 * Why tests are to be skipped: `why`, as they take it. Throws it where ENGINES=required says, as CI does, that nothing they run
 * on may be missing: what nobody tests there would otherwise look like what passes.
 */
export function lacking(why: string): string {
  if (process.env['ENGINES'] === 'required') throw new Error(`${why} (and ENGINES=required)`)
  return why
}
