import { violationsAlways, violationsAtRest } from './checkers/all.ts'
import { type Engines, readBacklog, readState, type Violation } from './checkers/state.ts'
import { Customers } from './load/customers.ts'
import { pause } from './load/edge.ts'
import type { Journal } from './load/journal.ts'
import { drawPlan, type Plan } from './load/plan.ts'
import { Warehouse } from './load/warehouse.ts'
import { Nemesis } from './system/nemesis.ts'
import { System } from './system/system.ts'
import { Chance } from './world/chance.ts'
import { Faults } from './world/faults.ts'
import type { Alarms } from './world/log.ts'
import { World } from './world/world.ts'

/** One seed: a shop is opened, things go wrong while orders come in, then all is healed, and everything must come to its right end. */

export type Result = {
  seed: string
  plan: Plan
  violations: Violation[]
  /** Equal for equal runs. */
  hash: string
  events: number
  virtualMs: number
  /** From the healing to rest. */
  healedMs: number
  commits: number
  faults: Map<string, number>
  alarms: Alarms
  outcomes: Map<string, number>
  accepted: number
  refused: number
}

const LOOK_EVERY_MS = 500
const REST_WITHIN_MS = 15 * 60_000

export type Options = { orders: number; onTrace?: ((line: string) => void) | undefined }

export async function simulate(seed: string, engines: Engines, { orders, onTrace }: Options): Promise<Result> {
  const world = new World(seed)
  world.onTrace = onTrace
  for (const engine of Object.values(engines)) engine.reset(world.epochMs)
  const plan = drawPlan(new Chance(`${seed}/plan`), orders)
  const faults = new Faults(world.chance.split('faults'))
  const { settings, skewMs } = plan
  const system = new System(world, faults, {
    ...{ engines, instances: {}, settings },
    restartMs: (chance) => chance.between(...plan.restartMs),
    skewMs: (chance) => Math.round(chance.between(-skewMs, skewMs)),
  })
  const journal: Journal = { entries: [], received: new Map(), wrong: [] }
  await openShop(system, plan)

  const state = () => readState(engines, { journal, products: plan.products })
  const violations: Violation[] = []
  const customers = new Customers(system, plan, journal)
  const warehouse = new Warehouse(system, plan, journal)
  faults.rates = plan.rates
  const nemesis = new Nemesis(system, plan)
  let commits = -1
  const look = () => {
    const now = Object.values(system.servers).reduce((sum, server) => sum + server.commits, 0)
    if (now !== commits) violations.push(...violationsAlways(state()))
    commits = now
    return violations.length > 0
  }
  const until = world.now + plan.arrivalMs * 1.1
  while (world.now < until && !look()) await system.runTo(Math.min(until, world.now + 2_000))

  nemesis.heal()
  const healedAt = world.now
  const atRest = () => customers.areDone && warehouse.isDone && Object.keys(readBacklog(engines)).length === 0
  while (violations.length === 0 && world.now < healedAt + REST_WITHIN_MS && !atRest()) {
    await system.runTo(world.now + LOOK_EVERY_MS)
  }
  // The rest must last: what comes late must find everything decided.
  await system.runTo(world.now + 2_000)
  if (violations.length === 0) violations.push(...violationsAtRest(state(), engines))
  const end = state()
  const outcomes = new Map([...Map.groupBy(end.orders.values(), outcomeOf)].map(([outcome, list]) => [outcome, list.length]))
  await world.close()
  return {
    ...{ seed, plan, violations, outcomes, faults: faults.counts, alarms: system.alarms, hash: world.hash.toString() },
    ...{ events: world.events, virtualMs: world.now, healedMs: world.now - healedAt, commits },
    accepted: journal.entries.filter((entry) => entry.isAccepted).length,
    refused: journal.entries.filter((entry) => entry.refusal).length,
  }
}

const outcomeOf = ({ status, dead_reason }: { status: string; dead_reason: string | null }) => (dead_reason ? 'dead letter' : status)

/** Before anything goes wrong: products and their first stock. */
export async function openShop(system: System, { products }: Pick<Plan, 'products'>): Promise<void> {
  const { world } = system
  let isOpen = false
  const stage = world.process('stage', 1)
  const open = async () => {
    const gateway = () => system.slots.find((slot) => slot.role === 'gateway')?.clients
    for (const { id, unitPriceMinor, stock } of products) {
      const product = { id, name: `Product ${id}`, unitPriceMinor, currency: 'EUR', weightGrams: 100, status: 'active' }
      const levels = stock.map((level) => ({ locationId: level.location_id, onHand: level.on_hand, reserved: 0 }))
      for (;;) {
        const answer = await gateway()
          ?.createProduct({ ...product, stock: levels })
          .catch(() => undefined)
        if (answer?.kind === 'done') break
        if (answer?.kind === 'refused') throw new Error(`the shop could not be opened: ${answer.message}`)
        await pause(50)
      }
    }
    isOpen = true
  }
  stage.isMortal = false
  world.plan(0, stage, () => void open())
  if (!(await world.runUntil(() => isOpen, 60_000))) throw new Error('the shop could not be opened')
}
