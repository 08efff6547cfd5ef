import { SERVICES, type ServiceName } from '../../src/platform/config.ts'
import type { Instance } from '../chaos/keeper.ts'
import { pause } from '../chaos/pause.ts'
import type { ChaosSystem } from '../chaos/system.ts'
import { until } from '../support/until.ts'
import type { DatabasePair } from './database-pair.ts'
import { type RabbitmqCluster, replaceNode } from './rabbitmq-cluster.ts'

/** What dies, one after the other, while customers order. */

export type Scene = { system: ChaosSystem; database: DatabasePair; rabbitmq: RabbitmqCluster }
/** `run` resolves when what died is back; @returns what there is to tell, in a few words. */
export type Stage = { name: string; run(scene: Scene): Promise<string> }

/** How long a name leads to a standby that takes no writes yet: the provider was faster with the name than with the promotion. */
const EARLY_MS = 300
const BACK_SECONDS = 120

/** Two deaths in one, for want of time. */
const rabbitmqLeaderWiped: Stage = {
  name: 'RabbitMQ: the leader dies with its disk',
  async run({ rabbitmq }) {
    const leader = await rabbitmq.leader()
    await replaceNode(leader, rabbitmq.nodes)
    await rabbitmq.whole()
    return `${letter(leader.name)} forgotten, joined anew`
  },
}

const rabbitmqLeader: Stage = {
  name: 'RabbitMQ: kill -9 of the leader',
  async run({ rabbitmq }) {
    const leader = await rabbitmq.leader()
    await leader.end('SIGKILL')
    // The others may name the dead one for a while.
    const led = async () => {
      const now = await rabbitmq.leader().catch(() => leader)
      return now !== leader && now
    }
    const next = await until('another to lead', led, 60)
    await leader.start()
    await rabbitmq.whole()
    return `${letter(leader.name)} died, ${letter(next.name)} leads`
  },
}

const rabbitmqAll: Stage = {
  name: 'RabbitMQ: kill -9 of all three',
  async run({ rabbitmq }) {
    await Promise.all(rabbitmq.nodes.map((node) => node.end('SIGKILL')))
    await Promise.all(rabbitmq.nodes.map((node) => node.start()))
    await rabbitmq.whole()
    return 'all queues whole again'
  },
}

const rabbitmqWiped: Stage = {
  name: 'RabbitMQ: a node loses its disk',
  async run({ rabbitmq }) {
    const leader = await rabbitmq.leader()
    const follower = rabbitmq.nodes.find((node) => node !== leader) ?? leader
    await replaceNode(follower, rabbitmq.nodes)
    await rabbitmq.whole()
    return `${letter(follower.name)} forgotten, joined anew`
  },
}

const failover = (name: string): Stage => ({
  name,
  async run({ system, database }) {
    const killedAt = performance.now()
    await database.kill()
    const lead = (port: number) => system.databaseLinks.forEach((link) => void link.leadsTo(port))
    lead(database.standbyPort())
    await pause(EARLY_MS)
    await database.promote()
    const promotedMs = performance.now() - killedAt
    lead(database.port())
    return `standby took over after ${(promotedMs / 1_000).toFixed(1)} s`
  },
})

const newStandby: Stage = {
  name: 'PostgreSQL: the dead one becomes the standby',
  async run({ database }) {
    await database.addStandby()
    return 'copied anew, synchronous'
  },
}

const killService = (service: ServiceName): Stage => ({
  name: `kill -9 of one ${service}, then the other`,
  async run({ system }) {
    for (const instance of system.instances.filter((one) => one.service === service)) await dieAndReturn(instance)
    return 'each back before the next'
  },
})

const killEach: Stage = {
  name: 'kill -9 of one of each kind at once',
  async run({ system }) {
    await Promise.all(SERVICES.map((service) => system.instances.find((one) => one.service === service)).map(dieAndReturn))
    return 'five processes'
  },
}

async function dieAndReturn(instance: Instance | undefined): Promise<void> {
  const starts = instance?.startsMs.length ?? 0
  if (!instance?.kill()) throw new Error(`${instance?.name} could not be killed`)
  // By its starts: that it is gone may be over before anybody looks.
  await until(`${instance.name} to be back`, () => instance.startsMs.length > starts && instance.isWell(), BACK_SECONDS)
}

const letter = (node: string) => node[0]?.toUpperCase()

export const LONG: readonly Stage[] = [
  rabbitmqLeader,
  rabbitmqAll,
  rabbitmqWiped,
  failover('PostgreSQL: kill -9 of the primary'),
  newStandby,
  failover('PostgreSQL: and of the one that took over'),
  newStandby,
  ...SERVICES.map(killService),
  killEach,
]
export const SHORT: readonly Stage[] = [rabbitmqLeaderWiped, rabbitmqAll, failover('PostgreSQL: kill -9 of the primary'), killEach]
