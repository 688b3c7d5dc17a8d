import { InvalidArgumentError, Option } from 'commander'

/** A whole number between bounds, as an option's value. */
export const whole =
  (min: number, max: number = Number.MAX_SAFE_INTEGER) =>
  (text: string): number => {
    const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN
    if (!(value >= min && value <= max)) {
      throw new InvalidArgumentError(
        `It takes a whole number${max < Number.MAX_SAFE_INTEGER ? ` from ${min} to ${max}` : `, ${min} or more`}.`,
      )
    }
    return value
  }

/** An option that may be given again and again. */
export const repeated = (flags: string, description: string): Option =>
  new Option(flags, description).argParser((value: string, before: readonly string[] | undefined) => [
    ...(before ?? []),
    value,
  ])

/** Where output goes and in which form: `json`, or `json=FILE`. */
export interface OutputChoice {
  readonly form: string
  readonly file: string | undefined
}

/** `-o FORM[=FILE]`, repeatable. */
export const outputOption = (forms: readonly string[], fallback: string): Option =>
  new Option(
    '-o, --output <form>',
    `form of the output: ${forms.join(', ')}; FORM=FILE writes a file; repeatable (${fallback})`,
  ).argParser((text: string, before: readonly OutputChoice[] | undefined) => {
    const at = text.indexOf('=')
    const [form, file] = at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)]
    if (!forms.includes(form)) throw new InvalidArgumentError(`It takes ${forms.join(', ')}, or one of them and =FILE.`)
    if (file === '') throw new InvalidArgumentError('A file name should follow the equals sign.')
    return [...(before ?? []), { form, file }]
  })

/** `-o FORM` for verbs that print one thing to stdout. */
export const formOption = (forms: readonly string[], says: string): Option =>
  new Option('-o, --output <form>', `form of the output (${says})`).choices([...forms])

/** Examples below a verb's help: a command and what it does, in pairs. */
export function examples(...pairs: readonly (readonly [command: string, what: string])[]): string {
  const lines = pairs.flatMap(([command, what]) => {
    const [settings = ''] = /^(?:[A-Z_]+=\S+ )*/.exec(command) ?? []
    return [`  # ${what}`, `  $ ${settings}aep-ledger ${command.slice(settings.length)}`]
  })
  return `\nExamples:\n${lines.join('\n')}\n`
}
