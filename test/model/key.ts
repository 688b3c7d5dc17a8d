import type { Heads, Transaction } from './kafka.ts'
import type { Owner, State } from './state.ts'

/** The state's canonical text. The two processes are alike, so that states are one which differ only in which is which. */
export function keyOf(state: State): string {
  const { faults, sent, groupOffset, intake, replica, written, kafka } = state
  let shared = `${faults} ${sent} ${groupOffset} ${headsText(replica)} ${headsText(kafka.heads)} ${written.join('/')}`
  for (const { event, answer } of intake) {
    shared += `;${event} ${typeof answer === 'string' ? answer : `${answer.says} ${answer.seq}`}`
  }
  const [one, other] = [sides(state, 0, 1), sides(state, 1, 0)]
  return one < other ? `${shared}|${one}` : `${shared}|${other}`
}

/** What differs by process, with `first` named before `second`. */
function sides({ owners, kafka: { ledger, transactions } }: State, first: 0 | 1, second: 0 | 1): string {
  const name = (process: number | undefined): string => (process === undefined ? '-' : process === first ? '0' : '1')
  const isShared = transactions.length === 1
  let text = `${ownerText(owners[first])}|${ownerText(owners[second])}`
  for (const { id, entry, open } of ledger) text += `;${isShared ? '' : name(id)}${open ? '?' : ''}${entry}`
  for (const id of isShared ? [0] : [first, second]) text += transactionText(transactions[id], name)
  return text
}

const headsText = ({ chain, next }: Heads): string => `${chain},${next}`
const ownerText = ({ at, knows, sealed }: Owner): string => `${at} ${headsText(knows)} ${headsText(sealed)}`

function transactionText(transaction: Transaction | undefined, name: (process: number | undefined) => string): string {
  if (transaction === undefined) return ''
  const { holder, phase, heads } = transaction
  return `;${name(holder)}${phase} ${heads === undefined ? '' : headsText(heads)}`
}
