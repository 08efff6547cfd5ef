/** What ends a command with one clear line instead of a stack trace. Exit code 1: it failed; 2: it was asked wrongly; 130: interrupted. */
export class Failure extends Error {
  override name = 'Failure'
  readonly exitCode: number
  constructor(message: string, exitCode = 1) {
    super(message)
    this.exitCode = exitCode
  }
}

/** Ends a command whose output has said everything already. */
export const quietExit = (exitCode: number): Failure => new Failure('', exitCode)

/** The message of anything thrown, on one line. */
export function oneLine(error: unknown): string {
  const message = error instanceof Error ? error.message || error.name : String(error)
  return message.replace(/\s*\n\s*/g, ' ')
}
