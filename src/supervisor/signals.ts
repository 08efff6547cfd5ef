/** Ctrl-C once: stop in order. Twice: stop at once. */
export type Signals = {
  /** Resolves at the first signal. */
  stop: Promise<void>
  came(): boolean
}

/** npm and the terminal may both pass on the same keypress. */
const SAME_KEYPRESS_MS = 400
/** The shell's code for "ended by SIGINT". */
const INTERRUPTED = 130

export function onSignals({ first, again }: { first(): void; again(): Promise<void> }): Signals {
  const stop = Promise.withResolvers<void>()
  let cameAt: number | undefined
  const listener = () => {
    if (cameAt === undefined) {
      cameAt = performance.now()
      first()
      stop.resolve()
    } else if (performance.now() - cameAt > SAME_KEYPRESS_MS) {
      again().finally(() => process.exit(INTERRUPTED))
    }
  }
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, listener)
  // With the terminal gone there is nobody to tell; what runs is still stopped in order.
  process.stdout.removeAllListeners('error').on('error', () => {})
  return { stop: stop.promise, came: () => cameAt !== undefined }
}
