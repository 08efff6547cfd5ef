import { Chance } from './chance.ts'
import { realSetImmediate } from './globals.ts'
import { asNobody, SimulatedProcess } from './process.ts'

/**
 * Time and order. Everything that happens is an event on one heap, ordered by time and then by when it was planned; between two events all
 * promises run as far as they can. So the same seed is the same run, event by event.
 */
type Event = { at: number; seq: number; owner: SimulatedProcess | undefined; happen: () => void; isOff: boolean }
export type Planned = { cancel(): void }

/** Wall clock of the start; any fixed one would do. */
const EPOCH_MS = Date.UTC(2030, 0, 1)

export class World {
  readonly epochMs = EPOCH_MS
  readonly chance: Chance
  /** Milliseconds since the start. */
  now = 0
  events = 0
  /** What happened, as numbers: equal for equal runs. */
  readonly hash = new RunningHash()
  /** Set to see what happens, line by line. */
  onTrace: ((line: string) => void) | undefined
  readonly #heap: Event[] = []
  #seq = 0

  constructor(seed: string) {
    this.chance = new Chance(seed)
  }

  process(name: string, life: number): SimulatedProcess {
    return new SimulatedProcess(this, name, this.chance.split(`process/${name}/${life}`))
  }

  /** Plans an event `ms` from now, as `owner`'s: dropped when it is dead by then, later when it is paused. */
  plan(ms: number, owner: SimulatedProcess | undefined, happen: () => void): Planned {
    const event = { at: this.now + Math.max(0, ms), seq: this.#seq++, owner, happen, isOff: false }
    push(this.#heap, event)
    return {
      cancel: () => {
        event.isOff = true
      },
    }
  }

  /** Notes what happens, for the hash and for whoever reads the trace. */
  tell(kind: string, ...details: (string | number)[]): void {
    this.hash.add(kind)
    this.hash.add(this.now)
    for (const detail of details) this.hash.add(detail)
    this.onTrace?.(`${(this.now / 1_000).toFixed(4).padStart(10)} ${kind.padEnd(9)} ${details.join(' ')}`)
  }

  /** The end of the world: what is still planned never happens. */
  async close(): Promise<void> {
    for (const event of this.#heap) event.isOff = true
    this.#heap.length = 0
    await settle()
  }

  /** Lets events happen until `isDone`, or until there are none, or until `untilMs`. @returns whether it is done. */
  async runUntil(isDone: () => boolean, untilMs: number): Promise<boolean> {
    return asNobody(async () => {
      await settle()
      while (!isDone()) {
        const event = pop(this.#heap)
        if (!event) return false
        if (event.isOff || event.owner?.isAlive === false) continue
        if (event.at > untilMs) {
          push(this.#heap, event)
          this.now = untilMs
          return false
        }
        this.now = Math.max(this.now, event.at)
        if (event.owner && event.owner.pausedUntil > this.now) {
          push(this.#heap, Object.assign(event, { at: event.owner.pausedUntil, seq: this.#seq++ }))
          continue
        }
        this.events++
        if (event.owner) event.owner.run(event.happen)
        else event.happen()
        await settle()
      }
      return true
    })
  }
}

/** Lets every promise run as far as it can. */
const settle = () => new Promise<void>((resolve) => realSetImmediate(resolve))

/** FNV-1a, twice with different starts: 64 bits tell any two runs apart that we will ever compare. */
class RunningHash {
  #low = 0x811c9dc5
  #high = 0x01234567

  add(value: string | number): void {
    const text = typeof value === 'number' ? value.toString(36) : value
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i)
      this.#low = Math.imul(this.#low ^ code, 0x01000193)
      this.#high = Math.imul(this.#high ^ code, 0x01000193) ^ (this.#low >>> 3)
    }
    this.#low = Math.imul(this.#low ^ 0xff, 0x01000193)
  }

  toString(): string {
    return [this.#high, this.#low].map((half) => (half >>> 0).toString(16).padStart(8, '0')).join('')
  }
}

const isBefore = (a: Event, b: Event) => a.at < b.at || (a.at === b.at && a.seq < b.seq)

function push(heap: Event[], event: Event): void {
  let i = heap.push(event) - 1
  while (i > 0) {
    const parent = (i - 1) >> 1
    if (!isBefore(event, heap[parent] as Event)) break
    heap[i] = heap[parent] as Event
    i = parent
  }
  heap[i] = event
}

function pop(heap: Event[]): Event | undefined {
  const top = heap[0]
  const last = heap.pop()
  if (!top || !last || heap.length === 0) return top
  let i = 0
  for (;;) {
    let child = 2 * i + 1
    if (child >= heap.length) break
    if (child + 1 < heap.length && isBefore(heap[child + 1] as Event, heap[child] as Event)) child++
    if (!isBefore(heap[child] as Event, last)) break
    heap[i] = heap[child] as Event
    i = child
  }
  heap[i] = last
  return top
}
