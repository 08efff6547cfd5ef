import { createReadStream, statSync } from 'node:fs'
import { extname } from 'node:path'
import { Failure } from '../failure.ts'
import { readCsv } from './csv.ts'
import type { Entry } from './entry.ts'
import { readJson } from './json.ts'
import { readNdjson } from './ndjson.ts'

export const FORMATS = ['json', 'ndjson', 'csv'] as const
export type Format = (typeof FORMATS)[number]

const readers: Record<Format, (chunks: AsyncIterable<Buffer>) => AsyncGenerator<Entry>> = {
  json: readJson,
  ndjson: readNdjson,
  csv: readCsv,
}

export type Input = {
  format: Format
  entries: AsyncGenerator<Entry> /** Undefined when it can't be known (standard input). */
  totalBytes: number | undefined
  close(): void
}

/** Opens a file of orders, or standard input for `-`. Throws a {@link Failure} when it can't be read. */
export async function openInput(file: string, wanted?: Format): Promise<Input> {
  const { stream, totalBytes } = file === '-' ? { stream: process.stdin, totalBytes: undefined } : openFile(file)
  const chunks = (stream as AsyncIterable<Buffer>)[Symbol.asyncIterator]()
  const first = await chunks.next().catch((error: Error) => {
    throw new Failure(`${file} can't be read: ${error.message}`)
  })
  const head: Buffer = first.done ? Buffer.alloc(0) : first.value
  const format = wanted ?? formatOf(file, head.toString('utf8', 0, 4096))
  async function* all() {
    yield head
    for (let next = await chunks.next(); !next.done; next = await chunks.next()) yield next.value
  }
  return { format, entries: readers[format](all()), totalBytes, close: () => stream.destroy() }
}

function openFile(file: string) {
  const stats = statSync(file, { throwIfNoEntry: false })
  if (!stats) throw new Failure(`there is no file ${file}`)
  if (stats.isDirectory()) throw new Failure(`${file} is a folder; name a file with orders`)
  return { stream: createReadStream(file), totalBytes: stats.isFile() ? stats.size : undefined }
}

/** From the first character, which can't lie, and then the name's ending. */
export function formatOf(file: string, head: string): Format {
  const ending = extname(file).toLowerCase()
  if (ending === '.ndjson' || ending === '.jsonl') return 'ndjson'
  const first = head.replace(/^\uFEFF/, '').trimStart()[0]
  if (first === '[' || ending === '.json') return 'json'
  return first === '{' ? 'ndjson' : 'csv'
}
