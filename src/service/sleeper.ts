/** A sleep that somebody else can end; one at a time. */
export class Sleeper {
  #end: () => void = () => {}

  /** Resolves after `ms`, or when it is woken. */
  sleep(ms: number): Promise<void> {
    return new Promise(resolve => {
      const end = (): void => {
        clearTimeout(timer)
        this.#end = () => {}
        resolve()
      }
      const timer = setTimeout(end, ms)
      this.#end = end
    })
  }

  /** Ends a sleep under way; one that begins later is not shortened. */
  wake(): void {
    this.#end()
  }
}
