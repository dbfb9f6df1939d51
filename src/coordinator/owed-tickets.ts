import { type RawAnswer, readOwedAnswer } from './answers.ts'
import type { MoveBatch } from './batch.ts'
import { PAGE } from './results.ts'

/** Where answers to `open`, `claim` and `settle` list the tickets that the delivery owes. */
const LIST_AT: Readonly<Record<string, number>> = { granted: 3, nothing: 1, ended: 1, settled: 2 }

/**
 * An answer with all tickets that its delivery owes (R8): where a move only says among which they are, they are asked for,
 * in pages (lua/owed.lua). Rejects when Redis can't be asked, as if the answer had not come.
 */
export async function withOwedTickets(
  batch: MoveBatch,
  runId: string,
  answer: RawAnswer,
): Promise<RawAnswer> {
  const at = LIST_AT[String(answer[0])]
  const list = at === undefined ? '' : String(answer[at])
  if (!list.includes('>')) return answer
  const items = list.split(';')
  const tickets = items.filter((item) => !isQuestion(item))
  for (let question = items.find(isQuestion); question !== undefined; ) {
    const range = question.slice(1).split('.')
    const page = readOwedAnswer(await batch.run('owed', [runId, ...range], PAGE)).split(';')
    tickets.push(...page.filter((item) => item !== '' && !isQuestion(item)))
    question = page.find(isQuestion)
  }
  return answer.map((field, i) => (i === at ? tickets.join(';') : field))
}

/** `><ticket>.<first>.<last>`: see `toAsk` in lua/lib/row.lua. */
function isQuestion(item: string): boolean {
  return item.startsWith('>')
}
