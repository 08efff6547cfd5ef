import { isUnavailable } from '../platform/grpc.ts'
import type { Log } from '../platform/log.ts'
import { STEPS, type StepService } from './order.ts'

/**
 * How the other services are, as far as this process knows: a circuit breaker for each that learns from the calls made, and opens and closes by the
 * standard gRPC health check. A service known to be down is not called, so nobody waits for it.
 */
export type Health = {
  isDown(service: StepService): boolean
  /** How long ago it came back, in ms; Infinity when it never was away. */
  sinceBackMs(service: StepService): number
  /** Tells each change; `up` means that calls are let through again. */
  onChange(listener: (service: StepService, state: 'up' | 'down') => void): void
}

/** The service is known to be down: it was not called. */
export class ServiceDownError extends Error {
  override name = 'ServiceDownError'
}

export type Breaker = {
  service: StepService
  isDown(): boolean
  sinceBackMs(): number
  onChange(listener: (state: 'up' | 'down') => void): void
  /** Runs a call. @throws ServiceDownError at once when the service is known to be down, and also when that is found out while the call hangs. */
  execute<T>(call: () => Promise<T>): Promise<T>
  close(): void
}

/** So many calls in a row that came to nothing open the circuit, whatever the health check says: its database may be away. */
const FAILURES_TO_OPEN = 3
/** A call that takes longer gets the service asked for its health; a paused process answers neither. */
const SLOW_MS = 400
const FIRST_PROBE_MS = 100
const LONGEST_PROBE_PAUSE_MS = 3_000

type Options = {
  service: StepService
  /** Whether the service answers its health check; throws or says false when it does not, after a second at most. */
  probe: () => Promise<boolean>
  random: () => number
  log: Log
}

export function breakerFor({ service, probe, random, log }: Options): Breaker {
  const listeners: ((state: 'up' | 'down') => void)[] = []
  const hanging = new Set<(error: Error) => void>()
  let isDown = false
  let isClosed = false
  let failures = 0
  let successes = 0
  /** Grows with each try to come back, until a real call succeeds. */
  let tries = 0
  let backAt = Number.NEGATIVE_INFINITY
  let asking: Promise<boolean> | undefined
  /** What was heard last when it did not answer, and what of it the log was told since it is down. */
  let reason = ''
  const told = new Set<string>()
  let timer: NodeJS.Timeout | undefined

  // One question at a time, whoever asks.
  const isWell = (): Promise<boolean> => {
    asking ??= probe()
      .catch((error: unknown) => {
        reason = whyNot(error)
        return false
      })
      .finally(() => {
        asking = undefined
      })
    return asking
  }

  const tell = (what: string) => {
    told.add(reason)
    log.warn({ service, reason }, what)
  }

  const become = (state: 'up' | 'down') => {
    isDown = state === 'down'
    if (state === 'up') backAt = performance.now()
    told.clear()
    if (isDown) tell(`${service} is down: orders that need it are parked`)
    else log.info({ service }, `${service} is back`)
    for (const listener of listeners) listener(state)
  }

  const open = () => {
    if (isDown || isClosed) return
    become('down')
    for (const giveUp of hanging) giveUp(new ServiceDownError(`${service} is down`))
    probeLater()
  }

  const probeLater = () => {
    // Full jitter: replicas that lost a service together do not come back together.
    const pauseMs = FIRST_PROBE_MS / 2 + random() * Math.min(LONGEST_PROBE_PAUSE_MS, FIRST_PROBE_MS * 2 ** tries)
    tries++
    timer = setTimeout(async () => {
      const isBack = await isWell()
      if (isClosed || !isDown) return
      // It was gone, now it is there and its certificate is none of ours: that is for someone to know.
      if (!isBack && !told.has(reason)) tell(`${service} is still down`)
      if (!isBack) return probeLater()
      // On trial: the first call that fails opens the circuit again, with a longer pause.
      failures = FAILURES_TO_OPEN - 1
      become('up')
    }, pauseMs)
  }

  // Twice: on a machine with much to do one answer may come late, and opening the circuit gives up on all that is under way.
  const ask = async () => {
    // And not at all while calls are answered meanwhile: those are believed first.
    const before = successes
    if (!(await isWell()) && !(await isWell()) && successes === before) open()
  }

  return {
    service,
    isDown: () => isDown,
    sinceBackMs: () => performance.now() - backAt,
    onChange: (listener) => void listeners.push(listener),
    async execute<T>(call: () => Promise<T>): Promise<T> {
      if (isDown) throw new ServiceDownError(`${service} is down`)
      const { promise: gaveUp, reject: giveUp } = Promise.withResolvers<never>()
      const slow = setInterval(ask, SLOW_MS)
      hanging.add(giveUp)
      try {
        const value = await Promise.race([call(), gaveUp])
        successes++
        failures = 0
        tries = 0
        return value
      } catch (error) {
        if (isUnavailable(error)) {
          reason = whyNot(error)
          failures++
          if (failures >= FAILURES_TO_OPEN) open()
          else void ask()
        }
        throw error
      } finally {
        clearInterval(slow)
        hanging.delete(giveUp)
      }
    },
    close() {
      isClosed = true
      clearTimeout(timer)
    },
  }
}

/** For the log: of several instances what the first said, such as "certificate has expired". */
function whyNot(error: unknown): string {
  const first = error instanceof AggregateError ? error.errors[0] : error
  return (first as Error)?.message ?? String(first)
}

export function healthOf(breakers: Record<StepService, Breaker>): Health {
  return {
    isDown: (service) => breakers[service].isDown(),
    sinceBackMs: (service) => breakers[service].sinceBackMs(),
    onChange(listener) {
      for (const service of STEPS) breakers[service].onChange((state) => listener(service, state))
    },
  }
}

/** Where nobody watches: everything is taken for up. */
export const alwaysUp: Health = { isDown: () => false, sinceBackMs: () => Number.POSITIVE_INFINITY, onChange: () => {} }
