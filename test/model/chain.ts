/**
 * The model's entries. An entry is written as the whole chain that it ends, so that its hash is perfect and it has one text
 * wherever it lies: `a1@0 b1@2` is the entry of event b1, taken in at offset 2, on the entry of a1, taken in at offset 0.
 * The empty text is the chain that has no entry yet.
 *
 * An event is its identity (two characters: the emitter, and its own count) and its content (what follows); `!` begins one
 * that nobody may place, such as a record with a wrong mac.
 */
export type Chain = string

export const linksOf = (chain: Chain): string[] => (chain === '' ? [] : chain.split(' '))
export const prevOf = (entry: Chain): Chain => entry.slice(0, Math.max(0, entry.lastIndexOf(' ')))
export const extend = (chain: Chain, link: string): Chain => (chain === '' ? link : `${chain} ${link}`)
/** Whether `chain` begins with `start`, or is it. */
export const begins = (chain: Chain, start: Chain): boolean =>
  start === '' || chain === start || chain.startsWith(`${start} `)

export const identityOf = (eventOrLink: string): string => eventOrLink.slice(0, 2)
export const eventOf = (link: string): string => link.slice(0, link.indexOf('@'))
/** The intake offset that a link came from: the header `in` of its record. */
export const offsetOf = (link: string): number => Number.parseInt(link.slice(link.indexOf('@') + 1), 10)
export const isPoison = (event: string): boolean => event.startsWith('!')
