/** URL of the module `name` beside the one at `from`: `.ts` in a checkout, `.js` where it was built. */
export const siblingUrl = (name: string, from: string): URL =>
  new URL(`./${name}${from.endsWith('.ts') ? '.ts' : '.js'}`, from)
