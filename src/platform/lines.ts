import { isUtf8 } from 'node:buffer'

/** A physical line without its line end; `end` in bytes from the start of the input. With a problem its text is empty. */
export type Line = { line: number; end: number; text: string; problem?: string }

const NEWLINE = 0x0a

/** Lines of an input of any size, one at a time. A BOM is dropped; a line beyond `mostBytes` or not UTF-8 becomes a problem, and reading goes on. */
export async function* linesOf(chunks: AsyncIterable<Buffer>, mostBytes: number): AsyncGenerator<Line> {
  let rest: Buffer = Buffer.alloc(0)
  let line = 1
  let end = 0
  let isTooLong = false

  const take = (bytes: Buffer): Line => {
    const taken = isTooLong ? { line, end, text: '', problem: tooLong(mostBytes) } : lineFrom(bytes, { line, end, mostBytes })
    isTooLong = false
    line++
    return taken
  }

  for await (const chunk of chunks) {
    const bytes: Buffer = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk
    let start = 0
    for (let at = bytes.indexOf(NEWLINE); at >= 0; at = bytes.indexOf(NEWLINE, start)) {
      end += at + 1 - start
      yield take(bytes.subarray(start, at))
      start = at + 1
    }
    rest = bytes.subarray(start)
    if (rest.length > mostBytes) {
      end += rest.length
      isTooLong = true
      rest = Buffer.alloc(0)
    }
  }
  end += rest.length
  if (rest.length > 0 || isTooLong) yield take(rest)
}

const tooLong = (mostBytes: number) => `longer than ${mostBytes / 1024} KiB`

function lineFrom(bytes: Buffer, { mostBytes, ...at }: { line: number; end: number; mostBytes: number }): Line {
  if (bytes.length > mostBytes) return { ...at, text: '', problem: tooLong(mostBytes) }
  if (!isUtf8(bytes)) return { ...at, text: '', problem: 'not UTF-8 text' }
  let text = bytes.toString('utf8')
  if (at.line === 1 && text.startsWith('\uFEFF')) text = text.slice(1)
  return { ...at, text: text.endsWith('\r') ? text.slice(0, -1) : text }
}
