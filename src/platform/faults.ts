/** Faults on purpose: which there are, and which of them strikes a call. Memory only; time and chance are arguments. */

export const FAULT_KINDS = ['unavailable', 'error', 'latency', 'lose-reply', 'crash-before', 'crash-after'] as const
export type FaultKind = (typeof FAULT_KINDS)[number]

export type Fault = {
  id: string
  kind: FaultKind
  /** The rpc it strikes; empty: all of the service. */
  method: string
  /** Share of calls, above 0 and up to 1. A call carries up to some hundred orders. */
  rate: number
  latencyMs: number
  /** Over after as many calls; 0: only by time. */
  count: number
  struck: number
  /** On the clock that {@link openFaults} was given. */
  endsAt: number
}
export type NewFault = Omit<Fault, 'struck' | 'endsAt'> & { forMs: number }

/** A mistake that is left on must end, and a forgotten one does no harm tomorrow. */
export const LONGEST_FAULT_MS = 3_600_000
export const LONGEST_LATENCY_MS = 60_000
export const MOST_FAULTS = 100

/** What befalls one call: first the wait, then the rest. */
export type Strike = { latencyMs: number; kind: Exclude<FaultKind, 'latency'> | undefined }

export type Faults = {
  /** Adds a fault, or replaces the one of its id. */
  set(fault: NewFault): Fault
  list(): Fault[]
  /** @returns how many there were. */
  clear(): number
  /** Draws for one call. Waits add up; of the other kinds the first that strikes is the one. */
  strike(method: string): Strike | undefined
  /** Whether every call fails as unavailable: then the health check must say so too. Never by a fault with a count, which a probe would keep alive. */
  isDown(): boolean
  /** Ms until the next fault is over by time; undefined when there is none. */
  nextEndMs(): number | undefined
}

/** @param now ms of a clock that never jumps. @param random from 0 up to 1. */
export function openFaults({ now, random }: { now(): number; random(): number }): Faults {
  let faults: Fault[] = []
  const live = () => {
    if (faults.length === 0) return faults
    const at = now()
    faults = faults.filter((fault) => fault.endsAt > at && (fault.count === 0 || fault.struck < fault.count))
    return faults
  }
  return {
    set({ forMs, ...given }) {
      const fault = { ...given, struck: 0, endsAt: now() + forMs }
      faults = [...live().filter((other) => other.id !== fault.id), fault]
      return fault
    },
    list: () => [...live()],
    clear() {
      const { length } = live()
      faults = []
      return length
    },
    strike(method) {
      const strike: Strike = { latencyMs: 0, kind: undefined }
      for (const fault of live()) {
        if (fault.method !== '' && fault.method !== method) continue
        if (fault.kind !== 'latency' && strike.kind) continue
        if (random() >= fault.rate) continue
        fault.struck++
        if (fault.kind === 'latency') strike.latencyMs += fault.latencyMs
        else strike.kind = fault.kind
      }
      return strike.kind || strike.latencyMs > 0 ? strike : undefined
    },
    isDown: () => live().some(({ kind, method, rate, count }) => kind === 'unavailable' && method === '' && rate >= 1 && count === 0),
    nextEndMs() {
      const ends = live().map((fault) => fault.endsAt)
      return ends.length === 0 ? undefined : Math.max(0, Math.min(...ends) - now())
    },
  }
}

/** What is wrong with a fault that was asked for, in words; undefined when nothing is. @param methods the rpcs of the service. */
export function problemWithFault(
  { kind, method, rate, latencyMs, count, forMs }: NewFault,
  methods: readonly string[],
): string | undefined {
  const isWhole = (value: number, least: number, most: number) => Number.isInteger(value) && value >= least && value <= most
  if (!FAULT_KINDS.includes(kind)) return `there is no kind "${kind}": it is one of ${FAULT_KINDS.join(', ')}`
  if (method !== '' && !methods.includes(method)) return `this service has no method "${method}": it has ${methods.join(', ')}`
  if (!(rate > 0 && rate <= 1)) return 'the rate must be above 0 and at most 1'
  if (!isWhole(forMs, 1, LONGEST_FAULT_MS)) return `a fault lasts from 1 to ${LONGEST_FAULT_MS} ms`
  if (!isWhole(count, 0, Number.MAX_SAFE_INTEGER)) return 'the count must be a whole number'
  if (kind === 'latency' && !isWhole(latencyMs, 1, LONGEST_LATENCY_MS)) return `a latency is from 1 to ${LONGEST_LATENCY_MS} ms`
  if (kind !== 'latency' && latencyMs !== 0) return 'only the kind latency has a latency'
  return undefined
}
