import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { OWNERS } from '../../src/platform/config.ts'
import { type Business, closeBusiness, openBusiness } from '../chaos/business.ts'
import { readJournal, type Written } from '../chaos/journal.ts'
import { pause } from '../chaos/pause.ts'
import { seconds } from '../chaos/report.ts'
import { startChaosSystem } from '../chaos/system.ts'
import { until } from '../support/until.ts'
import { startDatabasePair } from './database-pair.ts'
import { startRabbitmqCluster } from './rabbitmq-cluster.ts'
import { drawStages, longestGapMs, type Played } from './report.ts'
import { LONG, type Scene, SHORT, type Stage } from './stages.ts'

/** One run: everything twice or three times, one after the other killed under load, and the judge of the chaos at the end. */
export type ClusterOptions = { length: 'short' | 'long'; seed: number; perSecond: number; dir: string; say(line: string): void }

const TAKEN_SECONDS = 120
/** Load alone before the first stage, and after each. */
const BETWEEN_MS = { short: 2_000, long: 8_000 }

/** @returns what does not hold; nothing when all is well. */
export async function run({ length, seed, perSecond, dir, say }: ClusterOptions): Promise<string[]> {
  const stops: (() => Promise<void>)[] = []
  const stop = async () => {
    for (const one of stops.splice(0).reverse()) await one()
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop().finally(() => process.exit(1)))
  try {
    say('Starting PostgreSQL with its standby, and three RabbitMQ nodes …')
    mkdirSync(join(dir, 'rabbitmq'))
    const [database, rabbitmq] = await Promise.all([
      startDatabasePair(dir, [...OWNERS, 'broker']).then((pair) => {
        stops.push(pair.stop)
        return pair
      }),
      startRabbitmqCluster(join(dir, 'rabbitmq')).then((cluster) => {
        stops.push(cluster.stop)
        return cluster
      }),
    ])
    await database.addStandby()
    say('Starting two of each service and two gateways …')
    const system = await startChaosSystem({ dir, seed, database, broker: { BROKER_URL: rabbitmq.url } })
    stops.push(system.stop)
    await system.ready()
    await rabbitmq.whole()
    const business = await openBusiness({ system, dir, seed, perSecond })
    const stages = length === 'short' ? SHORT : LONG
    const played = await play({ scene: { system, database, rabbitmq }, business, stages, betweenMs: BETWEEN_MS[length], say })
    const problems = await closeBusiness(business, say)
    say(drawStages(played, readJournal(business.journal.path)))
    return problems
  } finally {
    await stop()
  }
}

type Play = { scene: Scene; business: Business; stages: readonly Stage[]; betweenMs: number; say(line: string): void }

async function play({ scene, business, stages, betweenMs, say }: Play): Promise<Played[]> {
  const played: Played[] = []
  const nothing: Stage = { name: 'nothing dies', run: () => pause(betweenMs).then(() => '') }
  for (const stage of [nothing, ...stages]) {
    const from = performance.now()
    const told = await stage.run(scene)
    const tookMs = performance.now() - from
    // A gap that the stage has torn ends with the first order after it.
    const before = business.door.counts.taken
    await until('an order to be taken', () => business.door.counts.taken > before, TAKEN_SECONDS)
    await pause(betweenMs)
    const one = { name: stage.name, told, from, tookMs, until: performance.now() }
    played.push(one)
    const gap = longestGapMs(takenBetween(readJournal(business.journal.path), one), one)
    say(`${stage.name}: ${seconds(tookMs)}; ${told}; longest time without an order taken ${seconds(gap)}`)
  }
  return played
}

const takenBetween = (journal: readonly Written[], { from, until }: Pick<Played, 'from' | 'until'>): number[] =>
  journal.flatMap((entry) =>
    entry.kind === 'answered' && entry.status < 300 && entry.until >= from && entry.until <= until ? [entry.until] : [],
  )
