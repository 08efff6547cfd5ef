import type { Log } from '../platform/log.ts'
import { onSignals } from './signals.ts'

/** A service process's end of the line to its supervisor (child.ts holds the other). Alone, it listens to signals. */

/** Tells the supervisor, if there is one. Resolves when it is sent. */
export function tell(message: { ready: true } | { failed: string }): Promise<void> {
  return new Promise((resolve) => {
    if (process.connected) process.send?.(message, () => resolve())
    else resolve()
  })
}

/** Until the supervisor says stop, or is gone, or a signal comes. */
export function untilTold(): Promise<void> {
  return new Promise((resolve) => {
    process.on('message', (message: { stop?: boolean }) => message.stop && resolve())
    process.on('disconnect', resolve)
    const signals = onSignals({ first: () => {}, again: async () => {} })
    signals.stop.then(resolve)
  })
}

/** Whatever still holds the process then: it ends. */
export function exitWithin(ms: number): void {
  setTimeout(() => process.exit(), ms).unref()
}

/** After an error that nobody caught the memory can't be trusted; the databases can. Log it and start again. */
export function exitOnTheUnforeseen(log: Log): void {
  for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
    process.on(event, (error: unknown) => {
      log.fatal({ err: error }, event)
      process.exit(1)
    })
  }
}
