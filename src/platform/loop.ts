import type { Log } from './log.ts'

/** Work that is looked for again and again, and at once when somebody knows that there is some. */
export type Loop = { wake(): void; stop(): Promise<void> }

export type LoopOptions = {
  /** For the log. */
  name: string
  /** Does what is due. `more`: there may be more at once. Throwing means that nothing can be done now. */
  work: () => Promise<'more' | 'idle'>
  idleMs?: number
  /** Longest wait after failures; the waits double up to it, with full jitter. A wake doesn't shorten them. */
  longestBackOffMs?: number
  log: Log
}

const FIRST_BACK_OFF_MS = 100

export function startLoop({ name, work, idleMs = 1_000, longestBackOffMs = 5_000, log }: LoopOptions): Loop {
  let failures = 0
  let woken = false
  let stopped = false
  let endPause = () => {}

  const pause = (ms: number) =>
    new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms)
      endPause = () => {
        clearTimeout(timer)
        resolve()
      }
    })

  const once = async () => {
    woken = false
    try {
      if ((await work()) === 'more') woken = true
      if (failures > 0) log.info({ failures }, `${name}: works again`)
      failures = 0
    } catch (error) {
      if (failures++ === 0) log.warn({ error: (error as Error).message }, `${name}: does not work now; tried again until it does`)
    }
  }

  const run = async () => {
    while (!stopped) {
      await once()
      if (stopped) return
      if (failures > 0) await pause(Math.random() * Math.min(longestBackOffMs, FIRST_BACK_OFF_MS * 2 ** failures))
      // With jitter, so that the replicas of a service don't look all at once.
      else if (!woken) await pause(idleMs * (0.75 + Math.random() / 2))
    }
  }
  const ended = run()
  return {
    wake() {
      woken = true
      if (failures === 0) endPause()
    },
    async stop() {
      stopped = true
      endPause()
      await ended
    },
  }
}
