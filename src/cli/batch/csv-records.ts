import { parse } from 'csv-parse/sync'
import { linesOf } from '../../platform/lines.ts'
import { Failure } from '../failure.ts'
import { LONGEST_ENTRY_BYTES } from './entry.ts'

/** A CSV record with the line it starts on, or why there is none. */
export type CsvRecord = { line: number; end: number; cells: string[]; problem?: string }

type Text = { line: number; end: number; text: string; problem?: string }

/** A quoted cell may hold this many line ends. Without a limit one forgotten quote would swallow the rest of the file. */
const MOST_LINES_IN_A_RECORD = 20
/** Records are parsed this many at a time: one by one csv-parse costs ten times as much. */
const PARSED_AT_ONCE = 500

/** Records of a CSV of any size, the header first. A record that can't be read becomes a problem; the next one is read all the same. */
export async function* csvRecordsOf(chunks: AsyncIterable<Buffer>): AsyncGenerator<CsvRecord> {
  let delimiter: string | undefined
  let waiting: Text[] = []
  for await (const text of recordTexts(chunks)) {
    if (delimiter === undefined) {
      if (text.problem) throw new Failure(`the header of the CSV is ${text.problem}`)
      delimiter = delimiterOf(text.text)
      yield* parsed([text], delimiter)
      continue
    }
    waiting.push(text)
    if (waiting.length < PARSED_AT_ONCE) continue
    yield* parsed(waiting, delimiter)
    waiting = []
  }
  yield* parsed(waiting, delimiter ?? ',')
}

/** Spreadsheets in half of Europe write semicolons. */
export function delimiterOf(header: string): string {
  const counts = [',', ';', '\t'].map((mark) => ({ mark, count: header.split(mark).length }))
  return counts.reduce((most, next) => (next.count > most.count ? next : most)).mark
}

/** Lines put together until their quotes match. */
async function* recordTexts(chunks: AsyncIterable<Buffer>): AsyncGenerator<Text> {
  let open: Text[] = []
  for await (const line of linesOf(chunks, LONGEST_ENTRY_BYTES)) {
    let queue: Text[] = [line]
    while (queue.length > 0) {
      const next = queue.shift() as Text
      if (open.length === 0 && !next.problem && !hasOddQuotes(next.text)) {
        if (next.text.trim() !== '') yield next
        continue
      }
      open.push(next)
      const isDone = open.length > 1 && !next.problem && hasOddQuotes(next.text)
      if (isDone) {
        yield { line: (open[0] as Text).line, end: next.end, text: open.map(({ text }) => text).join('\n') }
        open = []
      } else if (next.problem || open.length > MOST_LINES_IN_A_RECORD) {
        // The first line is the culprit; those after it get another chance.
        queue = [...open.slice(1), ...queue]
        yield culprit(open[0] as Text)
        open = []
      }
    }
  }
  while (open.length > 0) {
    yield culprit(open[0] as Text)
    const rest: Text[] = open.slice(1)
    open = []
    for (const text of rest) {
      if (open.length === 0 && !hasOddQuotes(text.text)) {
        if (text.text.trim() !== '') yield text
      } else open.push(text)
    }
  }
}

const culprit = (text: Text): Text => ({ ...text, problem: text.problem ?? 'a quote is opened and never closed' })

function hasOddQuotes(text: string): boolean {
  let count = 0
  for (let at = text.indexOf('"'); at >= 0; at = text.indexOf('"', at + 1)) count++
  return count % 2 === 1
}

function* parsed(texts: Text[], delimiter: string): Generator<CsvRecord> {
  const rows = texts.some(({ problem }) => problem) ? undefined : tryParse(texts, delimiter)
  if (rows) {
    for (const [i, text] of texts.entries()) yield { line: text.line, end: text.end, cells: rows[i] as string[] }
    return
  }
  for (const text of texts) {
    const alone = text.problem ? undefined : tryParse([text], delimiter)
    const problem =
      text.problem ?? (alone ? undefined : 'its quotes are wrong: a cell with quotes must be quoted as a whole, and quotes inside doubled')
    yield { line: text.line, end: text.end, cells: alone?.[0] ?? [], ...(problem && { problem }) }
  }
}

function tryParse(texts: Text[], delimiter: string): string[][] | undefined {
  try {
    const rows = parse(texts.map(({ text }) => text).join('\n'), {
      delimiter,
      relax_column_count: true,
      trim: true,
      record_delimiter: '\n',
    })
    return rows.length === texts.length ? rows : undefined
  } catch {
    return undefined
  }
}
