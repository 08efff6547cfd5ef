import { linesOf } from '../../platform/lines.ts'
import { bad, type Entry, entryFromJson, LONGEST_ENTRY_BYTES } from './entry.ts'

/** One order a line; empty lines are passed over. */
export async function* readNdjson(chunks: AsyncIterable<Buffer>): AsyncGenerator<Entry> {
  for await (const line of linesOf(chunks, LONGEST_ENTRY_BYTES)) {
    if (line.problem) yield bad(line, line.problem)
    else if (line.text.trim() !== '') yield entryFromJson(line, line.text)
  }
}
