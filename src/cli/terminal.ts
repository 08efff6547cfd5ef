import type { Command } from 'commander'
import picocolors from 'picocolors'

type Colors = ReturnType<typeof picocolors.createColors>

/** Where a command writes: results to `out`, everything else (progress, remarks) to `err`, so that `> file` holds results only. */
export type Terminal = {
  out(text: string): void
  err(text: string): void
  colors: Colors
  /** Someone watches stderr: a bar makes sense. */
  isWatched: boolean
}

/** The terminal that the program was configured with; tests configure their own. */
export function terminalOf(command: Command): Terminal {
  const output = command.configureOutput()
  return {
    out: (text) => output.writeOut?.(`${text}\n`),
    err: (text) => output.writeErr?.(`${text}\n`),
    colors: picocolors.createColors(output.getOutHasColors?.() ?? false),
    isWatched: output.getErrHasColors?.() === true && process.stderr.isTTY === true,
  }
}
