import { setMaxListeners } from 'node:events'
import { SERVICES } from '../../src/platform/config.ts'
import { until } from '../support/until.ts'
import type { ChaosBroker } from './broker.ts'
import type { Chance } from './chance.ts'
import type { Instance } from './keeper.ts'
import type { Link } from './link.ts'
import { pause } from './pause.ts'
import type { ChaosSystem } from './system.ts'

/** Does harm, about once a second, as its chance draws it; tells what it did. */

/** What it did: for the log and for the table at the end. */
export type Deed = { kind: Kind; target: string; detail?: string; at: string }
export type Kind = keyof typeof WEIGHTS | 'wipe broker'

/** How often each is drawn. */
const WEIGHTS = {
  kill: 50,
  'kill both': 5,
  'kill postgres': 4,
  'kill everything': 1,
  'kill broker': 3,
  pause: 12,
  'swallow commit': 16,
  'reset database link': 3,
  'reset service link': 3,
  'hang database link': 3,
  'hang service link': 3,
  'slow database link': 3,
  'slow service link': 3,
}
const KILLS: readonly string[] = ['kill', 'kill both', 'kill postgres', 'kill everything', 'kill broker']
export const isKill = ({ kind }: Deed) => KILLS.includes(kind)

const BETWEEN_MS = [300, 1_500] as const
const HANG_MS = [500, 6_000] as const
const SLOW_MS = [20, 400] as const
/** Harm waits while fewer than so many are well, or a service has none that is; but not longer than this. */
const WELL_AT_LEAST = 0.6
const PATIENCE_MS = 10_000
/** How often a service keeps one instance that is well, when one is killed or paused. */
const SPARES_THE_LAST = 0.8
const DOWN_MS = [0, 3_000] as const

export type Nemesis = {
  deeds: Deed[]
  kills(): number
  /** No more harm; what was harmed is mended. Resolves when all is as it was. @throws when something could not be mended. */
  stop(): Promise<void>
}

type Options = {
  system: ChaosSystem
  broker: ChaosBroker
  chance: Chance /** When the broker loses all that it holds. */
  wipeAfterMs: number
  tell(deed: Deed): void
}

export function unleash({ system, broker, chance, wipeAfterMs, tell }: Options): Nemesis {
  const deeds: Deed[] = []
  const mending = new Set<Promise<void>>()
  const failures: Error[] = []
  const stopped = new AbortController()
  setMaxListeners(0, stopped.signal)
  const atMost = (ms: number) => Promise.race([pause(ms), new Promise((resolve) => stopped.signal.addEventListener('abort', resolve))])
  const later = (ms: number, mend: () => void | Promise<void>) => {
    const done = atMost(ms)
      .then(mend)
      .catch((error: Error) => failures.push(error))
      .then(() => void mending.delete(done))
    mending.add(done)
  }
  const note = (kind: Kind, target: string, detail?: string) => {
    const deed = { kind, target, ...(detail && { detail }), at: new Date().toISOString() }
    deeds.push(deed)
    tell(deed)
  }
  const harm = harms({ system, broker, chance, later, note })

  // On a slow machine all would be starting all the time, and nothing be under way that could be lost.
  const someoneToHarm = async () => {
    const giveUpAt = performance.now() + PATIENCE_MS
    const isEnough = () => {
      const well = system.instances.filter((instance) => instance.isWell())
      const services = new Set(well.map(({ service }) => service))
      return well.length >= WELL_AT_LEAST * system.instances.length && services.size === SERVICES.length && system.database.isUp()
    }
    while (!stopped.signal.aborted && !isEnough() && performance.now() < giveUpAt) await atMost(100)
  }
  const run = async () => {
    while (!stopped.signal.aborted) {
      await atMost(chance.between(...BETWEEN_MS))
      await someoneToHarm()
      if (!stopped.signal.aborted) await harm[chance.weighted(WEIGHTS)]()
    }
  }
  later(wipeAfterMs, async () => {
    // PostgreSQL may just be dead, and the broker's tables with it.
    const what = await until('the broker to be emptied', () => broker.wipe().catch(() => undefined), 120)
    note('wipe broker', 'broker', what)
  })
  const ended = run()
  return {
    deeds,
    kills: () => deeds.filter(isKill).length,
    async stop() {
      stopped.abort()
      await ended
      await Promise.all(mending)
      for (const link of [...system.databaseLinks, ...system.serviceLinks]) link.heal()
      for (const instance of system.instances) instance.goOn()
      if (failures.length > 0) throw new AggregateError(failures, failures.map(({ message }) => message).join('; '))
    },
  }
}

type Means = {
  system: ChaosSystem
  broker: ChaosBroker
  chance: Chance
  later(ms: number, mend: () => void | Promise<void>): void
  note(kind: Kind, target: string, detail?: string): void
}

function harms({ system, broker, chance, later, note }: Means): Record<keyof typeof WEIGHTS, () => Promise<void> | void> {
  const { instances, database, databaseLinks, serviceLinks, leaseMs } = system

  const kill = (kind: Kind, instance: Instance) => instance.kill() && note(kind, instance.name)
  const killPostgres = async (kind: Kind) => {
    if (!database.isUp()) return
    const downMs = Math.round(chance.between(...DOWN_MS))
    await database.kill()
    note(kind, 'postgres', `down for ${downMs} ms and its recovery`)
    later(downMs, async () => {
      await database.start()
      for (const link of databaseLinks) link.leadsTo(database.port())
    })
  }
  /** Mostly one whose twin is well. */
  const pickVictim = (): Instance | undefined => {
    const well = instances.filter((instance) => instance.isWell())
    const spares = well.filter(({ service, name }) => well.some((other) => other.service === service && other.name !== name))
    const victims = chance.happens(SPARES_THE_LAST) ? spares : well
    return victims.length > 0 ? chance.pick(victims) : undefined
  }
  const onLink = (kind: Kind, link: Link, { ms, detail }: { ms: number; detail: string }) => {
    note(kind, link.name, `${detail} for ${Math.round(ms)} ms`)
    later(ms, () => link.heal())
  }
  const hang = (kind: Kind, links: readonly Link[]) => {
    const link = chance.pick(links)
    const which = chance.pick(['both ways', 'answers'] as const)
    link.hang(which)
    onLink(kind, link, { ms: chance.between(...HANG_MS), detail: which })
  }
  const slow = (kind: Kind, links: readonly Link[]) => {
    const link = chance.pick(links)
    const byMs = Math.round(chance.between(...SLOW_MS))
    link.delay(byMs)
    onLink(kind, link, { ms: chance.between(...HANG_MS), detail: `${byMs} ms more` })
  }
  const reset = (kind: Kind, links: readonly Link[]) => {
    const link = chance.pick(links)
    link.reset()
    note(kind, link.name)
  }

  return {
    kill: () => {
      const victim = pickVictim()
      if (victim) kill('kill', victim)
    },
    'kill both': () => {
      const { service } = chance.pick(instances)
      for (const instance of instances) if (instance.service === service) kill('kill both', instance)
    },
    'kill postgres': () => killPostgres('kill postgres'),
    'kill everything': async () => {
      for (const instance of instances) kill('kill everything', instance)
      await killPostgres('kill everything')
    },
    'kill broker': () => {
      // The one in PostgreSQL dies with it; RabbitMQ needs its time to start.
      if (!broker.kill || !broker.isUp()) return
      const downMs = Math.round(chance.between(...DOWN_MS))
      note('kill broker', 'broker', `down for ${downMs} ms and its start`)
      later(0, () => broker.kill?.(downMs))
    },
    pause: () => {
      const instance = pickVictim()
      const ms = leaseMs * chance.between(0.1, 3)
      if (!instance?.pause()) return
      note('pause', instance.name, `${Math.round(ms)} ms`)
      later(ms, () => instance.goOn())
    },
    'swallow commit': () => {
      const link = chance.pick(databaseLinks)
      link.swallowCommit()
      note('swallow commit', link.name, 'the next')
    },
    'reset database link': () => reset('reset database link', databaseLinks),
    'reset service link': () => reset('reset service link', serviceLinks),
    'hang database link': () => hang('hang database link', databaseLinks),
    'hang service link': () => hang('hang service link', serviceLinks),
    'slow database link': () => slow('slow database link', databaseLinks),
    'slow service link': () => slow('slow service link', serviceLinks),
  }
}
