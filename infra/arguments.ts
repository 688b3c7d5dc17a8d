/** A command's option `name` as a whole number from `min` to `max`. Throws `TypeError`, as `parseArgs` does. */
export function whole(name: string, text: string, min: number, max: number): number {
  const value = Number(text)
  if (/^\d+$/.test(text) && value >= min && value <= max) return value
  throw new TypeError(`${name} is a whole number from ${min} to ${max}, and not ${text}`)
}
