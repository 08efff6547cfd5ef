import { pino } from 'pino'
import type { Log } from '../../src/platform/log.ts'

export type Line = Record<string, unknown> & { msg: string; level: number }

/** A log, and what was written to it. */
export function loggedLines(): { log: Log; lines(): Line[] } {
  const all: Line[] = []
  return { log: pino({ level: 'debug' }, { write: (line) => void all.push(JSON.parse(line) as Line) }), lines: () => all }
}
