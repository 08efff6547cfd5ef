import { isUtf8 } from 'node:buffer'
import { bad, type Entry, entryFromJson, LONGEST_ENTRY_BYTES } from './entry.ts'

const code = (character: string) => character.charCodeAt(0)
const [QUOTE, BACKSLASH, NEWLINE, COMMA] = [code('"'), code('\\'), code('\n'), code(',')]
const [OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [code('['), code(']'), code('{'), code('}')]
const isBlank = (byte: number) => byte === 0x20 || byte === 0x09 || byte === 0x0d || byte === NEWLINE

/**
 * A JSON list of orders, one at a time, without reading the file into memory; also one order alone, or several one after the other.
 * It only looks for where an element ends, so an element that is not JSON but has matching brackets doesn't hurt the next one.
 */
export async function* readJson(chunks: AsyncIterable<Buffer>): AsyncGenerator<Entry> {
  const splitter = new ElementSplitter()
  for await (const chunk of chunks) {
    yield* splitter.push(chunk)
    if (splitter.isLost) return
  }
  yield* splitter.finish()
}

class ElementSplitter {
  /** The rest of the input makes no sense: where the next order starts can't be known. */
  isLost = false
  #kept: Buffer = Buffer.alloc(0)
  #consumed = 0
  #line = 1
  #depth = 0
  #isInString = false
  #isEscaped = false
  #list: 'unseen' | 'open' | 'closed' | 'none' = 'unseen';

  *push(chunk: Buffer): Generator<Entry> {
    let start = this.#kept.length > 0 ? 0 : -1
    const from = this.#kept.length
    const bytes: Buffer = from > 0 ? Buffer.concat([this.#kept, chunk]) : chunk
    for (let i = this.#skipBom(bytes, from); i < bytes.length; i++) {
      const byte = bytes[i] as number
      if (start < 0 && !this.#startsElement(byte)) continue
      if (start < 0) {
        start = i
        this.#startLine = this.#line
      }
      const end = this.#endsElement(byte, i)
      if (byte === NEWLINE) this.#line++
      if (end === undefined) continue
      yield this.#entry(bytes.subarray(start, end), this.#consumed + end)
      start = -1
    }
    this.#kept = start < 0 ? Buffer.alloc(0) : bytes.subarray(start)
    this.#consumed += bytes.length - this.#kept.length
    if (this.#kept.length > LONGEST_ENTRY_BYTES) {
      this.isLost = true
      const at = { line: this.#startLine, end: this.#consumed }
      yield bad(
        at,
        `an order starts here that has no end within ${LONGEST_ENTRY_BYTES / 1024} KiB: a bracket or quote is missing; what follows was not read`,
      )
    }
  }

  *finish(): Generator<Entry> {
    const at = { line: this.#startLine, end: this.#consumed + this.#kept.length }
    if (this.#kept.length > 0 && (this.#depth > 0 || this.#isInString))
      yield bad(at, 'an order starts here that has no end: a bracket or quote is missing')
    else if (this.#kept.length > 0) yield this.#entry(this.#kept, at.end)
    if (this.#list === 'open') yield bad({ line: this.#line, end: at.end }, 'the list is not closed with ]: the file may be cut off')
  }

  #startLine = 1

  #skipBom(bytes: Buffer, from: number): number {
    const isFirst = this.#consumed === 0 && from === 0
    return isFirst && bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : from
  }

  /** Between elements: is this the first byte of one? */
  #startsElement(byte: number): boolean {
    if (byte === NEWLINE) this.#line++
    if (isBlank(byte) || byte === COMMA) return false
    if (byte === OPEN_LIST && this.#list === 'unseen') {
      this.#list = 'open'
      return false
    }
    if (byte === CLOSE_LIST && this.#list === 'open') {
      this.#list = 'closed'
      return false
    }
    if (this.#list === 'unseen') this.#list = 'none'
    return true
  }

  /** Inside an element: the position after its last byte, or undefined when it goes on. */
  #endsElement(byte: number, i: number): number | undefined {
    if (this.#isEscaped) this.#isEscaped = false
    else if (this.#isInString) {
      if (byte === BACKSLASH) this.#isEscaped = true
      else if (byte === QUOTE || byte === NEWLINE) this.#isInString = false
    } else if (byte === QUOTE) this.#isInString = true
    else if (byte === OPEN_OBJECT || byte === OPEN_LIST) this.#depth++
    else if ((byte === CLOSE_OBJECT || byte === CLOSE_LIST) && this.#depth > 0) {
      this.#depth--
      if (this.#depth === 0) return i + 1
    } else if (this.#depth === 0 && (byte === COMMA || byte === NEWLINE)) return i
    else if (this.#depth === 0 && byte === CLOSE_LIST && this.#list === 'open') {
      this.#list = 'closed'
      return i
    }
    return undefined
  }

  #entry(bytes: Buffer, end: number): Entry {
    const at = { line: this.#startLine, end }
    return isUtf8(bytes) ? entryFromJson(at, bytes.toString('utf8')) : bad(at, 'not UTF-8 text')
  }
}
