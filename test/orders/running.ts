import { onTestFinished } from 'vitest'
import { type Coordinator, startCoordinator } from '../../src/orders/coordinator.ts'
import type { FallbackQueue } from '../../src/orders/fallback-queue.ts'
import type { Health } from '../../src/orders/health.ts'
import { newOrder } from '../../src/orders/messages.ts'
import type { Order, StepService } from '../../src/orders/order.ts'
import type { Limits } from '../../src/orders/parking.ts'
import type { Services } from '../../src/orders/place-order.ts'
import * as store from '../../src/orders/store.ts'
import { silentLog } from '../../src/platform/log.ts'
import { type Database, type Statement, sql } from '../../src/platform/postgres.ts'
import { aCommand } from './examples.ts'

/** Coordinators on a real database, as several processes would run them. */

/** Short, but longer than some sweeps and a pause of the machine: an order in work keeps its lease. */
export const LEASE_MS = 3_000

export function coordinatorOn(
  db: Database,
  services: Services,
  more: { health?: Health; queue?: FallbackQueue; limits?: Limits; leaseMs?: number } = {},
): Coordinator {
  const { limits, ...rest } = more
  const around = { now: () => new Date(), random: () => 0, ...(limits && { limits }) }
  const coordinator = startCoordinator({ db, services, around, leaseMs: LEASE_MS, log: silentLog(), ...rest })
  onTestFinished(async () => {
    await coordinator.stop(0)
    await db.query(sql`update orders set due_at = 'infinity' where work is not null`)
  })
  return coordinator
}

/** The health of the other services, as a test says. */
export function switchboard(): Health & { down(service: StepService): void; up(service: StepService): void } {
  const away = new Set<StepService>()
  const listeners: Parameters<Health['onChange']>[0][] = []
  const tell = (service: StepService, state: 'up' | 'down') => {
    for (const listener of listeners) listener(service, state)
  }
  return {
    isDown: (service) => away.has(service),
    sinceBackMs: () => Number.POSITIVE_INFINITY,
    onChange: (listener) => void listeners.push(listener),
    down(service) {
      away.add(service)
      tell(service, 'down')
    },
    up(service) {
      away.delete(service)
      tell(service, 'up')
    },
  }
}

/** A new order with a lease, as placeOrders stores it just before it runs it. */
export async function accepted(db: Database, over = {}): Promise<Order> {
  const order = newOrder(aCommand(over))
  await store.acceptOrders(db, [order], LEASE_MS)
  return stored(db, order.id)
}

/** The owner died: its leases run out now instead of a little later. */
export const leasesRunOut = (db: Database) => db.query(sql`update orders set due_at = now() where work is not null and due_at < 'infinity'`)

export async function stored(db: Database, id: string): Promise<Order> {
  const order = (await store.getOrders(db, [id])).get(id)
  if (!order) throw new Error(`no order ${id}`)
  return order
}

export async function history(db: Database, id: string): Promise<string[]> {
  return ((await store.listEvents(db, [id])).get(id) ?? []).map((event) => event.type)
}

/** The database of a process that dies around a save: before it is sent, or after it is durable but before the answer comes. */
export function dyingAtSave(db: Database, when: 'before' | 'after'): { db: Database; died: Promise<void> } {
  let tell = () => {}
  const died = new Promise<void>((resolve) => {
    tell = resolve
  })
  const query = async <Row>(statement: Statement): Promise<Row[]> => {
    if (!statement.text.includes('insert into order_events') || statement.text.includes('insert into orders'))
      return db.query<Row>(statement)
    if (when === 'after') await db.query(statement)
    tell()
    return new Promise<Row[]>(() => {})
  }
  return { db: { ...db, query }, died }
}

/** A gate that calls wait at until the test opens it. */
export function gate(): { open(): void; passed: Promise<void> } {
  let open = () => {}
  const passed = new Promise<void>((resolve) => {
    open = resolve
  })
  return { open, passed }
}
