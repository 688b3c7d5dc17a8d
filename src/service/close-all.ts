/**
 * Calls all closers, the last first, and takes them off the list. One that fails keeps no other from its work; what the first
 * of those threw is thrown at the end.
 */
export async function closeAll(closers: (() => Promise<unknown>)[]): Promise<void> {
  const errors: unknown[] = []
  for (const closer of closers.splice(0).reverse()) {
    try {
      await closer()
    } catch (error) {
      errors.push(error)
    }
  }
  if (errors.length > 0) throw errors[0]
}
