import { readFileSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'

/** What the customers did and were told, on the disk before they do the next thing. It, and not our databases, says what was promised. */
export type Entry =
  | { kind: 'sends'; key: string; body: unknown; to: number }
  /** A problem without an order has no `order_id`: nothing was stored. */
  | { kind: 'answered'; key: string; status: number; order_id?: string; order_status?: string; code?: string; from: number; until: number }
  | { kind: 'not answered'; key: string; why: string }
  /** A status of an order, read between two moments (ms). */
  | { kind: 'saw'; order_id: string; order_status: string; from: number; until: number }
  | { kind: 'asks'; what: string; id: string; body?: unknown }
  | { kind: 'told'; what: string; id: string; status: number; code?: string }
export type Written = Entry & { at: string }

export type Journal = {
  path: string
  /** Resolves when the entry is on the disk. Those that come while the disk works go together. */
  write(entry: Entry): Promise<void>
  close(): Promise<void>
}

export async function openJournal(path: string): Promise<Journal> {
  return { path, ...journalOn(await open(path, 'a')) }
}

export function journalOn(file: Pick<FileHandle, 'appendFile' | 'datasync' | 'close'>): Omit<Journal, 'path'> {
  let waiting: { line: string; resolve(): void; reject(error: unknown): void }[] = []
  let working: Promise<void> | undefined

  const work = async () => {
    while (waiting.length > 0) {
      const now = waiting
      waiting = []
      try {
        await file.appendFile(now.map(({ line }) => line).join(''))
        await file.datasync()
        for (const { resolve } of now) resolve()
      } catch (error) {
        for (const { reject } of now) reject(error)
      }
    }
    working = undefined
  }

  return {
    write: (entry) =>
      new Promise((resolve, reject) => {
        waiting.push({ line: `${JSON.stringify({ at: new Date().toISOString(), ...entry })}\n`, resolve, reject })
        working ??= work()
      }),
    async close() {
      await working
      await file.close()
    },
  }
}

/** All entries of a journal, in the order they were written. A last line that was cut off was not yet relied upon. */
export function readJournal(path: string): Written[] {
  const lines = readFileSync(path, 'utf8').split('\n')
  lines.pop()
  return lines.map((line) => JSON.parse(line) as Written)
}
