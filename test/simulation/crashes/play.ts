import { violationsAtRest } from '../checkers/all.ts'
import { type Engines, readBacklog, readState, type Violation } from '../checkers/state.ts'
import { Customer } from '../load/customer.ts'
import { Edge, pause } from '../load/edge.ts'
import { type Entry, type Journal, newEntry } from '../load/journal.ts'
import { openShop } from '../simulate.ts'
import { System } from '../system/system.ts'
import { Effects } from '../world/effects.ts'
import { type CrashPoint, Faults } from '../world/faults.ts'
import { World } from '../world/world.ts'
import { bodyOf, PRODUCTS, type Script } from './scripts.ts'

/** One script, with its crashes; then everything comes up again and must come to its right end. */

export type Played = {
  violations: Violation[]
  /** What processes did to the world, in order. */
  effects: string[]
  /** Numbers (from 1) of those at which nobody needs to die. */
  leftOut: number[]
  trace: string[]
}

const LOOK_EVERY_MS = 500
const REST_WITHIN_MS = 15 * 60_000
const RESTART_MS = 300

export async function play(
  script: Script,
  engines: Engines,
  { points, wantsTrace = false }: { points: CrashPoint[]; wantsTrace?: boolean },
): Promise<Played> {
  const world = new World(`crashes/${script.name}`)
  const trace: string[] = []
  if (wantsTrace) world.onTrace = (line) => void trace.push(line)
  for (const engine of Object.values(engines)) engine.reset(world.epochMs, { keepsPlans: true })
  const faults = new Faults(world.chance.split('faults'))
  const system = new System(world, faults, {
    engines,
    instances: { orders: 2, inventory: 1, payment: 1, shipping: 1, gateway: script.asksTwice ? 2 : 1 },
    settings: { LEASE_MS: '1500', RPC_TIMEOUT_MS: '1000' },
    restartMs: () => RESTART_MS,
    skewMs: () => 0,
  })
  const journal: Journal = { entries: [], received: new Map(), wrong: [] }
  await openShop(system, { products: PRODUCTS })
  const effects = new Effects()
  Object.assign(faults, { effects, crashPoints: points })
  const people = startPeople(script, { system, journal, effects })
  const endAt = world.now + REST_WITHIN_MS
  const isAtRest = () => people.areDone() && Object.keys(readBacklog(engines)).length === 0
  do await system.runTo(world.now + LOOK_EVERY_MS)
  while (!isAtRest() && world.now < endAt)
  faults.effects = undefined
  await system.runTo(world.now + LOOK_EVERY_MS)
  const state = readState(engines, { journal, products: PRODUCTS })
  const violations = violationsAtRest(state, engines)
  for (const { id, status } of state.orders.values())
    if (!script.ends.includes(status))
      violations.push({
        invariant: 'the story ends as it must',
        orderId: id,
        details: `it must end ${script.ends.join(' or ')}, and is ${status}`,
      })
  const crashes = [...faults.counts.values()].reduce((sum, n) => sum + n, 0)
  if (crashes !== points.length) violations.push({ invariant: 'the same story again is the same', details: `${crashes} crashes` })
  if (state.orders.size !== 1) violations.push({ invariant: 'the story is of one order', details: `there are ${state.orders.size}` })
  await world.close()
  return { violations, effects: effects.labels, leftOut: [...effects.leftOut], trace }
}

type Stage = { system: System; journal: Journal; effects: Effects }

/** The customer and the warehouse, who repeat what was not answered. */
function startPeople(script: Script, { system, journal, effects }: Stage): { areDone(): boolean } {
  const { world } = system
  const process = world.process('people', 1)
  process.isMortal = false
  const edge = new Edge(system, process)
  const customer = new Customer(world, edge, { journal, waits: false })
  const entry = newEntry('the-key')
  journal.entries.push(entry)
  let active = 0
  const work = (what: () => Promise<unknown>) => {
    active++
    world.plan(0, process, () => void what().finally(() => active--))
  }
  const chance = process.chance.split('people')
  work(() => customer.place(bodyOf(script), entry, chance))
  if (script.asksTwice) work(() => customer.place(bodyOf(script), entry, chance))
  if (script.ships) work(() => ship(edge, entry))
  effects.onEffect = (label) => {
    const orderId = /[0-9a-f]{8}-[0-9a-f-]{27}/.exec(label)?.[0]
    if (!script.cancelsAt?.test(label) || !orderId) return
    effects.onEffect = undefined
    work(() => customer.cancel(entry, chance, orderId))
  }
  return { areDone: () => active === 0 }
}

/** Until each parcel is known to have left and to have arrived. */
async function ship(edge: Edge, { orderIds }: Entry): Promise<void> {
  for (;;) {
    const [orderId] = orderIds
    const order = orderId ? await edge.ask((clients) => clients.getOrder(orderId)).catch(() => undefined) : undefined
    if (order?.status === 'delivered') return
    for (const shipment of order?.shipments ?? []) {
      const command = { shipmentId: shipment.id, requestId: 'd' }
      await edge
        .ask((clients) => (shipment.status === 'created' ? clients.dispatchShipment(command) : clients.deliverShipment(command)))
        .catch(() => undefined)
    }
    await pause(100)
  }
}
