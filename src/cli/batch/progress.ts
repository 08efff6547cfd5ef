import cliProgress from 'cli-progress'
import { count, duration } from '../table.ts'
import type { Terminal } from '../terminal.ts'

export type Reading = { orders: number; bytes: number; failures: number }
export type Progress = { stop(): void }

const PLAIN_LINE_EVERY_MS = 5_000
const BAR_EVERY_MS = 100

/** Shows how far a batch is: a bar on a terminal, a line now and then elsewhere. `read` is asked for the numbers. */
export function startProgress(terminal: Terminal, { totalBytes, read }: { totalBytes: number | undefined; read(): Reading }): Progress {
  const started = performance.now()
  const words = () => {
    const { orders, bytes, failures } = read()
    const ms = performance.now() - started
    const left = totalBytes && bytes > 0 ? ` · ${duration((ms * (totalBytes - bytes)) / bytes)} left` : ''
    return `${count(orders)} orders · ${count((orders / ms) * 1000)}/s${left}${failures > 0 ? ` · ${count(failures)} failed` : ''}`
  }
  return showProgress(terminal, { totalBytes, bytes: () => read().bytes, words })
}

/** The same of anything that is done byte by byte. */
export function showProgress(
  terminal: Terminal,
  { totalBytes, bytes, words }: { totalBytes: number | undefined; bytes(): number; words(): string },
): Progress {
  if (!terminal.isWatched) {
    const timer = setInterval(() => terminal.err(words()), PLAIN_LINE_EVERY_MS).unref()
    return { stop: () => clearInterval(timer) }
  }
  const format = totalBytes === undefined ? '{words}' : '{bar} {percentage}% · {words}'
  const bar = new cliProgress.SingleBar(
    { format, stream: process.stderr, clearOnComplete: true, hideCursor: true, barsize: 30 },
    cliProgress.Presets.shades_classic,
  )
  bar.start(totalBytes ?? 1, 0, { words: words() })
  const timer = setInterval(() => bar.update(totalBytes === undefined ? 0 : bytes(), { words: words() }), BAR_EVERY_MS).unref()
  return {
    stop() {
      clearInterval(timer)
      bar.stop()
    },
  }
}
