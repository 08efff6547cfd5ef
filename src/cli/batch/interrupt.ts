import type { Terminal } from '../terminal.ts'

export type Interrupt = { isAsked: boolean; remove(): void }

/** First Ctrl-C: `isAsked` is set, so that what is in flight can be finished. Second: the process ends at once. */
export function onInterrupt(terminal: Terminal, stop: () => void): Interrupt {
  const interrupt: Interrupt = { isAsked: false, remove: () => process.removeListener('SIGINT', asked) }
  function asked() {
    if (interrupt.isAsked) process.exit(130)
    interrupt.isAsked = true
    terminal.err('\nstopping: finishing what is in flight (Ctrl-C again ends at once)')
    stop()
  }
  process.on('SIGINT', asked)
  return interrupt
}
