import { randomBytes } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { newPassword, type RabbitmqServer, rabbitmqServer, startEpmd } from '../support/rabbitmq.ts'
import { freePorts } from '../support/system.ts'
import { until } from '../support/until.ts'
import { type Front, openFront } from './front.ts'

/** Three RabbitMQ nodes on one machine, each quorum queue on all of them, behind one address. */
export type RabbitmqCluster = {
  /** What the services are told. */
  url: string
  nodes: RabbitmqServer[]
  /** Which node leads most of the queues. */
  leader(): Promise<RabbitmqServer>
  /** Resolves when every queue is on all nodes, and all of those are up. */
  whole(): Promise<void>
  stop(): Promise<void>
}

const NODES = ['a', 'b', 'c']
const WHOLE_SECONDS = 120

export async function startRabbitmqCluster(dir: string): Promise<RabbitmqCluster> {
  const [epmdPort = 0, ...ports] = await freePorts(1 + 2 * NODES.length)
  const home = join(dir, 'home')
  mkdirSync(home, { recursive: true })
  writeFileSync(join(home, '.erlang.cookie'), randomBytes(20).toString('hex'), { mode: 0o400 })
  const password = newPassword()
  const config = [
    // They find each other by this list: also one that has lost its data, once the others have forgotten it.
    'cluster_formation.peer_discovery_backend = classic_config',
    ...NODES.map((name, i) => `cluster_formation.classic_config.nodes.${i + 1} = ${name}-${epmdPort}@localhost`),
    // Cut off from the majority, a node stops rather than go on by itself.
    'cluster_partition_handling = pause_minority',
  ]
  const epmd = startEpmd(epmdPort)
  const nodes = NODES.map((name, i) => {
    const folder = join(dir, name)
    mkdirSync(folder)
    const [port = 0, distPort = 0] = ports.slice(2 * i)
    return rabbitmqServer({ folder, home, name: `${name}-${epmdPort}`, port, distPort, epmdPort, password, config })
  })
  // The first makes the cluster, the others join it. All at once they would wait for each other by lot.
  const [first, ...others] = nodes
  await first?.start()
  await Promise.all(others.map((node) => node.start()))
  const front = await openFront(nodes.map(({ port }) => port))
  return {
    url: `amqp://comanda:${password}@127.0.0.1:${front.port}`,
    nodes,
    async leader() {
      const led = Map.groupBy(await queues(nodes), ({ leader }) => leader)
      const [name] = [...led].sort(([, one], [, other]) => other.length - one.length)[0] ?? []
      const node = nodes.find((one) => one.name === name)
      if (!node) throw new Error(`no node of ours leads: ${name}`)
      return node
    },
    async whole() {
      const isWhole = async () => {
        const list = await queues(nodes).catch(() => [])
        return list.length > 0 && list.every(({ members, online }) => members.length === nodes.length && online.length === nodes.length)
      }
      await until('every queue to be on all nodes', isWhole, WHOLE_SECONDS)
    },
    stop: () => stop(nodes, front, epmd),
  }
}

type Queue = { name: string; leader: string; members: string[]; online: string[] }

async function queues(nodes: readonly RabbitmqServer[]): Promise<Queue[]> {
  const node = nodes.find((one) => one.isUp())
  if (!node) throw new Error('no node is up')
  const text = await node.tool('rabbitmqctl', 'list_queues', 'name', 'leader', 'members', 'online', '--formatter', 'json')
  return JSON.parse(text) as Queue[]
}

async function stop(nodes: readonly RabbitmqServer[], front: Front, epmd: { end(): Promise<void> }): Promise<void> {
  await front.close()
  await Promise.all(nodes.map((node) => node.end('SIGKILL')))
  await epmd.end()
}

/** A node whose disk is lost: the others forget it, it comes back empty, joins them, and gets its part of every queue. */
export async function replaceNode(lost: RabbitmqServer, nodes: readonly RabbitmqServer[]): Promise<void> {
  const other = nodes.find((node) => node !== lost && node.isUp())
  if (!other) throw new Error('no other node is up')
  await lost.end('SIGKILL')
  lost.wipe()
  await other.tool('rabbitmqctl', 'forget_cluster_node', lost.name)
  await lost.start()
  await other.tool('rabbitmq-queues', 'grow', lost.name, 'all')
}
