import { randomUUID } from 'node:crypto'
import type { ShippingServiceDefinition } from '../gen/comanda/v1/shipping.ts'
import type { GrpcClient } from '../platform/grpc.ts'
import { newId } from '../platform/ids.ts'
import type { Log } from '../platform/log.ts'
import { type Loop, startLoop } from '../platform/loop.ts'
import { type Answer, fromWire } from '../platform/outcome.ts'
import type { Database } from '../platform/postgres.ts'
import * as store from './erase-store.ts'

/**
 * Erases what is known of a customer, order by order, when each has ended (decision 0023). shipping forgets its part first and orders last: until then the order still
 * has its user's id, by which it is found again, whoever died in between.
 */
export type Eraser = {
  db: Database
  /** By order, in turn: done, or why not yet. */
  eraseShipments: (orderIds: readonly string[]) => Promise<Answer<unknown>[]>
  /** How long an order with an idempotency key must have been at rest. */
  idleMs: number
  log: Log
}

/** shipping's part, over gRPC. @throws when the call as a whole fails, or is not answered in its time. */
export function eraseShipmentsAt(shipping: Pick<GrpcClient<typeof ShippingServiceDefinition>, 'eraseShipments'>): Eraser['eraseShipments'] {
  return async (ids) =>
    (await shipping.eraseShipments({ commands: ids.map((orderId) => ({ orderId })) })).outcomes.map((outcome) => fromWire<unknown>(outcome))
}

/** How every pseudonym begins. */
export const PSEUDONYM = 'erased:'

const BATCH = 500
const FIRST = '00000000-0000-0000-0000-000000000000'

/** What is asked for: recorded before anything is erased. */
export async function askToErase(
  { db, log }: Pick<Eraser, 'db' | 'log'>,
  { userId, reason, askedBy, requestId }: { userId: string; reason: string; askedBy: string; requestId: string },
): Promise<store.ErasureRow> {
  // Random, so that nothing leads back from it to the user.
  const wish = { id: newId(), user_id: userId, pseudonym: `${PSEUDONYM}${randomUUID()}`, reason, asked_by: askedBy }
  let erasure = await store.openErasure(db, wish)
  // One that was open has ended at this moment.
  while (!erasure) erasure = await store.openErasure(db, wish)
  log.info({ erasure_id: erasure.id, key_id: askedBy, request_id: requestId }, 'erasure asked for')
  return erasure
}

/**
 * Erases all orders that have ended, and ends the erasure when none is left. Safe to repeat, and for several at once.
 * `mayGoOn` is asked before each batch.
 */
export async function erase({ db, eraseShipments, idleMs, log }: Eraser, erasure: store.ErasureRow, mayGoOn = () => true): Promise<void> {
  const { user_id: userId, pseudonym, asked_at: before } = erasure
  if (userId === null) return
  for (let after = FIRST; mayGoOn(); ) {
    const ids = await store.listErasable(db, { userId, before, idleMs, after, limit: BATCH })
    const answers = ids.length > 0 ? await eraseShipments(ids) : []
    // shipping may see a parcel on its way that orders has not been told of yet: later, then.
    const forgotten = ids.filter((_, i) => answers[i]?.kind === 'done')
    if (forgotten.length > 0) {
      await store.eraseOrders(db, forgotten, { userId, pseudonym })
      log.info({ erasure_id: erasure.id, orders: forgotten.length }, 'orders erased')
    }
    if (ids.length < BATCH) return store.endErasure(db, erasure.id)
    after = ids.at(-1) ?? after
  }
}

const LOOK_EVERY_MS = 60_000

/** Goes on with what is open, now and again: orders end when they end. One that can't go on holds up no other. */
export function startErasing(around: Eraser, idleMs = LOOK_EVERY_MS): Loop {
  const { db, log } = around
  let after = FIRST
  let isOver = false
  const loop = startLoop({
    name: 'erasing customers',
    idleMs,
    log,
    async work() {
      const open = await store.listOpenErasures(db, { after, limit: BATCH })
      for (const erasure of open) {
        if (isOver) return 'idle'
        await erase(around, erasure, () => !isOver).catch((error: Error) =>
          log.warn({ erasure_id: erasure.id, error: error.message }, 'an erasure does not go on now; tried again until it does'),
        )
      }
      after = open.length < BATCH ? FIRST : (open.at(-1)?.id ?? FIRST)
      return after === FIRST ? 'idle' : 'more'
    },
  })
  return {
    ...loop,
    stop() {
      isOver = true
      return loop.stop()
    },
  }
}
