import type { Heads } from './kafka.ts'
import type { Owner, State } from './state.ts'

/** The state's canonical text. The two processes are alike, so that states are one which differ only in which is which. */
export function keyOf(state: State): string {
  const { faults, sent, groupOffset, intake, replica, written } = state
  let shared = `${faults} ${sent} ${groupOffset} ${headsText(replica)} ${written.join('/')}`
  for (const { event, answer } of intake) {
    shared += `;${event} ${typeof answer === 'string' ? answer : `${answer.says} ${answer.seq}`}`
  }
  const one = sides(state, 0, 1)
  const other = sides(state, 1, 0)
  return one < other ? `${shared}|${one}` : `${shared}|${other}`
}

/** What differs by process, told with `first` as the first of them. */
function sides({ owners, kafka }: State, first: 0 | 1, second: 0 | 1): string {
  const isShared = kafka.transactions.length === 1
  const idText = (id: number): string => (isShared ? '' : id === first ? '<' : '>')
  let text = `${ownerText(owners[first])}|${ownerText(owners[second])}`
  for (const { id, value, open } of kafka.ledger) text += `;${idText(id)}${open ? '?' : ''}${value}`
  for (const { id, value, open } of kafka.heads) text += `;${idText(id)}${open ? '?' : ''}${headsText(value)}`
  for (const id of isShared ? [0] : [first, second]) {
    const { holder, phase } = kafka.transactions[id] ?? {}
    text += `;${holder === undefined ? '-' : holder === first ? '<' : '>'}${phase}`
  }
  return text
}

const headsText = ({ chain, next }: Heads): string => `${chain},${next}`
const ownerText = ({ at, knows, sealed }: Owner): string => `${at} ${headsText(knows)} ${headsText(sealed)}`
