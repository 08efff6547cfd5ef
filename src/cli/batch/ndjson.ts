import { bad, type Entry, entryFromJson } from './entry.ts'
import { linesOf } from './lines.ts'

/** One order a line; empty lines are passed over. */
export async function* readNdjson(chunks: AsyncIterable<Buffer>): AsyncGenerator<Entry> {
  for await (const line of linesOf(chunks)) {
    if (line.problem) yield bad(line, line.problem)
    else if (line.text.trim() !== '') yield entryFromJson(line, line.text)
  }
}
