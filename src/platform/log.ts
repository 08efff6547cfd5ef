import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import buildRollingFile from 'pino-roll'
import { pino } from 'pino'
import pretty from 'pino-pretty'

export type Log = pino.Logger

/** Terminal lines a second per process; the file gets them all. A person can't read more, and a terminal is slow. */
const TERMINAL_LINES_A_SECOND = 40

export type LogOptions = {
  service: string
  /** Folder of `<service>.log`. */
  dir: string
  level: string
  /** Also print lines prettily on the terminal. */
  terminal: boolean
}

/** A logger that writes JSON lines to `<dir>/<service>.<n>.log` (rotated at 50 MB, five kept), and prettily to the terminal. */
export async function openLog({ service, dir, level, terminal }: LogOptions): Promise<Log> {
  mkdirSync(dir, { recursive: true })
  const file = await buildRollingFile({
    file: join(dir, service),
    extension: '.log',
    size: '50m',
    limit: { count: 5 },
    mkdir: true,
    symlink: false,
    sync: false,
    minLength: 4096,
    periodicFlush: 200,
  })
  const streams: pino.StreamEntry[] = [{ level: level as pino.Level, stream: file }]
  if (terminal) streams.push({ level: 'info', stream: limitedTerminal() })
  return pino(
    {
      level,
      base: { service },
      timestamp: pino.stdTimeFunctions.isoTime,
      // Tokens and keys are never passed to the log; this is the second lock on the door.
      redact: { paths: ['token', 'payment_token', 'paymentToken', '*.token', '*.paymentToken', '*.payment_token', 'authorization'], censor: '[hidden]' },
    },
    pino.multistream(streams),
  )
}

/** A log that says nothing, for tools and tests. */
export const silentLog = (): Log => pino({ level: 'silent' })

function limitedTerminal(): { write(line: string): void } {
  const out = pretty({ colorize: process.stdout.isTTY, ignore: 'pid,hostname,service,time', messageFormat: '{service}  {msg}', singleLine: true, sync: true })
  let second = 0
  let shown = 0
  let hidden = 0
  return {
    write(line) {
      const now = Math.floor(performance.now() / 1000)
      if (now !== second) {
        if (hidden > 0) process.stdout.write(`… ${hidden} more lines in the log file\n`)
        second = now
        shown = 0
        hidden = 0
      }
      if (shown++ < TERMINAL_LINES_A_SECOND) out.write(line)
      else hidden++
    },
  }
}
