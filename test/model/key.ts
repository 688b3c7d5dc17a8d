import type { Known, Log, Written } from './kafka.ts'
import type { Owner, State } from './state.ts'

/** The state's canonical text. The two processes are alike, so that states are one which differ only in which is which. */
export function keyOf(state: State): string {
  const { faults, sent, low, groupOffset, intake, replica, written } = state
  let shared = `${faults} ${sent} ${low} ${groupOffset} ${knownText(replica)} ${written.join('/')}`
  for (const { event, answer } of intake) {
    shared += `;${event} ${typeof answer === 'string' ? answer : `${answer.says} ${answer.seq}`}`
  }
  const one = sides(state, 0, 1)
  const other = sides(state, 1, 0)
  return one < other ? `${shared}|${one}` : `${shared}|${other}`
}

/** What differs by process, told with `first` as the first of them. */
function sides({ owners, kafka, assigned }: State, first: 0 | 1, second: 0 | 1): string {
  const isShared = kafka.transactions.length === 1
  const nameOf = (process: number | undefined): string => (process === undefined ? '-' : process === first ? '<' : '>')
  const idText = (id: number): string => (isShared ? '' : nameOf(id))
  const ledgerText = (log: Log<Written>): string =>
    log
      .map(
        ({ id, value, open }) => `;${idText(id)}${open ? '?' : ''}${value.entry},${value.on ?? ''},${value.next ?? ''}`,
      )
      .join('')
  let text = `${ownerText(owners[first])}|${ownerText(owners[second])}|${nameOf(assigned)}${ledgerText(kafka.ledger)}`
  if (kafka.cut !== undefined) text += `|${kafka.cut.at}${ledgerText(kafka.cut.lost)}`
  for (const { id, value, open } of kafka.heads) text += `|${idText(id)}${open ? '?' : ''}${value}`
  for (const id of isShared ? [0] : [first, second]) {
    const { holder, phase } = kafka.transactions[id] ?? {}
    text += `;${nameOf(holder)}${phase}`
  }
  return text
}

const knownText = ({ chain, next }: Known): string => `${chain},${next}`
const ownerText = ({ at, knows, sealed, expects, remembers = '-' }: Owner): string =>
  `${at} ${knownText(knows)} ${knownText(sealed)} ${expects} ${remembers}`
