import { appendFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { pino } from 'pino'
import { createStream } from 'rotating-file-stream'

export type Log = pino.Logger

export type LogOptions = {
  service: string
  /** Folder of `<service>.log`. */
  dir: string
  level: string
  /** `on`: lines prettily on the terminal too; `json`: as they are on standard output, and no file. */
  terminal: 'on' | 'off' | 'json'
}

/** A logger that writes JSON lines to `<dir>/<service>.log` (rotated at 50 MB, compressed, five kept), and prettily to the terminal. */
export async function openLog({ service, dir, level, terminal }: LogOptions): Promise<Log> {
  const streams: pino.StreamEntry[] = []
  if (terminal === 'json') streams.push({ level: level as pino.Level, stream: standardOutput() })
  else {
    mkdirSync(dir, { recursive: true })
    streams.push({ level: level as pino.Level, stream: logFile({ service, dir }) })
  }
  if (terminal === 'on') streams.push({ level: 'info', stream: await limitedTerminal() })
  return pino(
    {
      level,
      base: { service },
      timestamp: pino.stdTimeFunctions.isoTime,
      // Tokens and keys are never passed to the log; this is the second lock on the door.
      // (Top level only: wildcards cost a tenth of a service's CPU under load.)
      redact: { paths: ['token', 'payment_token', 'paymentToken', 'authorization'], censor: '[hidden]' },
    },
    pino.multistream(streams),
  )
}

/** A log that says nothing, for tools and tests. */
export const silentLog = (): Log => pino({ level: 'silent' })

const FLUSH_EVERY_MS = 200
const FLUSH_AT_CHARACTERS = 32_768

/** Lines are gathered, since a write for each costs more than the line; what is gathered when the process ends is written then. */
function logFile({ service, dir }: { service: string; dir: string }): { write(line: string): void } {
  const name = `${service}.log`
  const file = createStream((time, index) => (time ? `${service}.${index}.log.gz` : name), {
    path: dir,
    size: '50M',
    compress: 'gzip',
    maxFiles: 5,
    history: `.${service}.history`,
  })
  // A full disk must not stop the orders.
  file.on('error', () => {})
  let gathered = ''
  const flush = () => {
    if (gathered) file.write(gathered)
    gathered = ''
  }
  setInterval(flush, FLUSH_EVERY_MS).unref()
  process.on('exit', () => {
    try {
      if (gathered) appendFileSync(join(dir, name), gathered)
    } catch {
      // there is nobody left to tell
    }
  })
  return {
    write(line) {
      gathered += line
      if (gathered.length > FLUSH_AT_CHARACTERS) flush()
    },
  }
}

/** Gathered likewise. */
function standardOutput(): pino.DestinationStream {
  const out = pino.destination({ fd: 1, minLength: 8_192, sync: true })
  setInterval(() => out.flushSync(), FLUSH_EVERY_MS).unref()
  process.on('exit', () => out.flushSync())
  return out
}

/** Terminal lines a second per process; the file gets them all. A person can't read more, and a terminal is slow. */
const TERMINAL_LINES_A_SECOND = 40

async function limitedTerminal(): Promise<{ write(line: string): void }> {
  const { default: pretty } = await import('pino-pretty')
  const out = pretty({
    colorize: process.stdout.isTTY,
    ignore: 'pid,hostname,service,time',
    messageFormat: '{service}  {msg}',
    singleLine: true,
    sync: true,
  })
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
