import { randomUUID } from 'node:crypto'
import type { Log } from '../platform/log.ts'
import { type Loop, startLoop } from '../platform/loop.ts'
import type { ConsumeOptions, Consumer, Delivery, QueueName, Verdict } from './broker.ts'
import { atMost } from './deadline.ts'
import { type Handle, judge } from './judge.ts'

/** Claims, hands out, keeps the lease while the handler runs, and carries out its verdicts. */

/** The store's functions on one queue. Any may fail while the database is away. */
export type ClaimStore = {
  claim(claim: string, limit: number): Promise<{ deliveries: Delivery[]; died: string[] }>
  renew(claims: { ids: string[]; claims: string[] }): Promise<void>
  giveBack(claim: string, ids: string[]): Promise<void>
  settle(claim: string, verdicts: readonly (Verdict & { id: string })[]): Promise<void>
}

export type PostgresConsumer = Consumer & { /** Look now: something was just published. */ wake(): void }

type Options = ConsumeOptions & {
  queue: QueueName
  store: ClaimStore
  handle: Handle
  leaseMs: number
  handlerTimeoutMs: number
  pollMs: number
  log: Log
}

const LONGEST_BACK_OFF_MS = 2_000

export function startPostgresConsumer(options: Options): PostgresConsumer {
  const { queue, store, handle, maxInFlight, maxAttempts, leaseMs, handlerTimeoutMs, pollMs, log } = options
  const running = new Map<string, { ids: string[]; ended: Promise<void> }>()
  let paused = false
  let stopped = false

  const freeSlots = () => maxInFlight - [...running.values()].reduce((sum, { ids }) => sum + ids.length, 0)

  const look = async (): Promise<'more' | 'idle'> => {
    const free = freeSlots()
    if (paused || free <= 0) return 'idle'
    const claim = randomUUID()
    const { deliveries, died } = await store.claim(claim, free)
    for (const id of died) log.warn({ queue, id }, 'a message is laid with the dead: its last delivery was never answered')
    const ids = deliveries.map(({ id }) => id)
    if (ids.length === 0) return died.length > 0 ? 'more' : 'idle'
    if (paused || stopped) await store.giveBack(claim, ids)
    else running.set(claim, { ids, ended: work(claim, deliveries) })
    return 'more'
  }

  const work = async (claim: string, deliveries: Delivery[]): Promise<void> => {
    const verdicts = await judge({ queue, handle, deliveries, maxAttempts, timeoutMs: handlerTimeoutMs, log })
    const list = verdicts.map((verdict, i) => ({ ...verdict, id: deliveries[i]?.id ?? '' }))
    await settleWhileItMatters({ settle: () => store.settle(claim, list), leaseMs }).catch((error: Error) => {
      log.warn(
        { queue, deliveries: list.length, error: error.message },
        'verdicts could not be written: these messages are delivered again',
      )
    })
    running.delete(claim)
    loop.wake()
  }

  const renewal = setInterval(() => {
    if (running.size === 0) return
    const ids = [...running.values()].flatMap((one) => one.ids)
    store.renew({ ids, claims: [...running.keys()] }).catch((error: Error) => log.debug({ queue, error: error.message }, 'not renewed'))
  }, leaseMs / 3)
  const loop: Loop = startLoop({ name: `consuming ${queue}`, work: look, idleMs: pollMs, longestBackOffMs: LONGEST_BACK_OFF_MS, log })

  return {
    wake: () => loop.wake(),
    pause() {
      paused = true
    },
    resume() {
      paused = false
      loop.wake()
    },
    async stop(ms) {
      stopped = true
      await atMost(
        ms,
        loop.stop().then(() => Promise.all([...running.values()].map(({ ended }) => ended))),
      )
      // What still runs is renewed no more, and is another's when its lease has run out.
      clearInterval(renewal)
    },
  }
}

/** The database may be away for a moment; after the lease another may have the messages. */
async function settleWhileItMatters({ settle, leaseMs }: { settle(): Promise<void>; leaseMs: number }): Promise<void> {
  const deadline = performance.now() + leaseMs
  for (let delayMs = 50; ; delayMs = Math.min(1_000, delayMs * 2)) {
    try {
      return await settle()
    } catch (error) {
      if (performance.now() + delayMs > deadline) throw error
      await new Promise((resolve) => setTimeout(resolve, delayMs))
    }
  }
}
