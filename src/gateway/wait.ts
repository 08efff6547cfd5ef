const MOST_SECONDS = 30

/**
 * How long the client wants to wait for the end, in ms (RFC 7240): `Prefer: wait=10`, 30 at most, or `respond-async` for not at all.
 * Anything else is ignored, as the RFC asks.
 */
export function waitFrom(prefer: string | string[] | undefined, otherwiseMs: number): number {
  if (prefer === undefined) return otherwiseMs
  const preferences = [prefer]
    .flat()
    .join(',')
    .split(/[,;]/)
    .map((part) => part.trim().toLowerCase())
  if (preferences.includes('respond-async')) return 0
  const seconds = preferences.map((part) => /^wait\s*=\s*"?(\d+)"?$/.exec(part)?.[1]).find((found) => found !== undefined)
  return seconds === undefined ? otherwiseMs : Math.min(Number(seconds), MOST_SECONDS) * 1_000
}

export type WaitingRoom = {
  /** What comes within `ms`; undefined when it doesn't, or when the room is closed. */
  wait<T>(coming: Promise<T | undefined>, ms: number): Promise<T | undefined>
  /** Sends all who wait away, now and from now on: a gateway that stops answers 202 rather than letting people wait. */
  close(): void
}

export function waitingRoom(): WaitingRoom {
  const waiting = new Set<() => void>()
  let isClosed = false
  return {
    wait<T>(coming: Promise<T | undefined>, ms: number) {
      return new Promise<T | undefined>((resolve, reject) => {
        const leave = (value?: T) => {
          clearTimeout(timer)
          waiting.delete(leave)
          resolve(value)
        }
        const timer = setTimeout(leave, isClosed ? 0 : ms)
        waiting.add(leave)
        coming.then(leave, reject)
      })
    },
    close() {
      isClosed = true
      for (const leave of waiting) leave()
    },
  }
}
