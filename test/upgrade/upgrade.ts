import { join } from 'node:path'
import type { ServiceName } from '../../src/platform/config.ts'
import { rabbitmqBroker } from '../chaos/broker.ts'
import { type Business, closeBusiness, openBusiness } from '../chaos/business.ts'
import { OWN_SOURCES } from '../chaos/keeper.ts'
import { pause } from '../chaos/pause.ts'
import { seconds } from '../chaos/report.ts'
import { openBalancer } from '../journeys/balancer.ts'
import { startTwoOfEach } from '../journeys/two-of-each.ts'
import { until } from '../support/until.ts'
import { hasFailed, inWords, openGate, type Passed } from './gate.ts'
import { drawStages, type Played, tally } from './report.ts'
import { LONG, migrateWith, type Scene, SHORT, type Stage } from './stages.ts'

/** One run: the version before, under load, becomes this version and goes back and forth; then the judge of the chaos, and no request may have failed. */
export type UpgradeOptions = {
  length: 'short' | 'long'
  broker: 'postgres' | 'rabbitmq'
  seed: number
  perSecond: number
  dir: string
  /** The sources of the version before. */
  old: string
  say(line: string): void
}

/** As docs/OPERATING.md asks for: a gateway takes as long as its balancer may need to notice. */
const DRAIN_MS: Record<ServiceName, number> = { inventory: 1_500, payment: 1_500, shipping: 1_500, orders: 1_500, gateway: 5_000 }
/** Load alone before the first stage, and after each: versions stay mixed for so long. */
const BETWEEN_MS = { short: 1_500, long: 5_000 }
/** Payments that take a minute until they are known. */
const SLOW_TOKENS = ['tok_timeout_before', 'tok_late']
const TAKEN_SECONDS = 120
const EXAMPLES = 5

/** @returns what does not hold; nothing when all is well. */
export async function run({ length, broker: kind, seed, perSecond, dir, old, say }: UpgradeOptions): Promise<string[]> {
  const stops: (() => Promise<void>)[] = []
  const stop = async () => {
    for (const one of stops.splice(0).reverse()) await one()
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop().finally(() => process.exit(1)))
  try {
    say('Starting two of each service and two gateways of the version before …')
    let env: NodeJS.ProcessEnv = {}
    const broker = kind === 'rabbitmq' ? await rabbitmqBroker() : undefined
    if (broker) stops.push(broker.stop)
    const system = await startTwoOfEach(dir, DRAIN_MS, {
      sources: old,
      // As docs/OPERATING.md has it: the schema is changed by `comanda migrate` alone.
      settings: { ...broker?.settings, MIGRATE: 'off', NODE_COMPILE_CACHE: join(dir, 'compile-cache') },
      prepare: (settings) => {
        env = settings
        return migrateWith(old, settings)
      },
    })
    stops.push(system.stop)
    const balancer = openBalancer(system.gateways)
    stops.push(balancer.stop)
    await balancer.all()
    const gate = openGate(balancer)
    const trader = { ...system, urls: () => system.databaseUrls }
    const leaveOut = length === 'short' ? SLOW_TOKENS : []
    const business = await openBusiness({ system: trader, dir, seed, perSecond, reach: gate.reach, leaveOut })
    const scene: Scene = { system, balancer, sources: { old, new: OWN_SOURCES }, env }
    const stages = length === 'short' ? SHORT : LONG
    const played = await play({ scene, business, stages, betweenMs: BETWEEN_MS[length], passed: gate.passed, say })
    const problems = await closeBusiness(business, say)
    say(drawStages(played, gate.passed))
    return [...problems, ...complaints(gate.passed)]
  } finally {
    await stop()
  }
}

type Play = {
  scene: Scene
  business: Business
  stages: readonly Stage[]
  betweenMs: number
  passed: readonly Passed[]
  say(line: string): void
}

async function play({ scene, business, stages, betweenMs, passed, say }: Play): Promise<Played[]> {
  const played: Played[] = []
  const nothing: Stage = { name: 'the old version alone', run: () => pause(betweenMs).then(() => '') }
  for (const stage of [nothing, ...stages]) {
    const from = performance.now()
    const told = await stage.run(scene)
    const before = business.door.counts.taken
    await until('an order to be taken', () => business.door.counts.taken > before, TAKEN_SECONDS)
    await pause(betweenMs)
    const one = { name: stage.name, told, from, until: performance.now() }
    played.push(one)
    const { requests, later, failed } = tally(passed, one)
    say(`${stage.name}: ${seconds(one.until - from)}; ${told}; ${requests} requests, ${later} told to come again, ${failed} failed`)
  }
  return played
}

function complaints(passed: readonly Passed[]): string[] {
  const failed = passed.filter(hasFailed)
  if (failed.length === 0) return []
  const kinds = [...Map.groupBy(failed, inWords)].map(([words, list]) => `${list.length} × ${words}`)
  return [`${failed.length} requests failed: ${kinds.slice(0, EXAMPLES).join('; ')}`]
}
