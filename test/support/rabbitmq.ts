import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { connect } from 'amqplib'
import { temporaryFolder } from './folder.ts'
import { freePorts } from './system.ts'
import { until } from './until.ts'

/** A RabbitMQ node of a test's own: own name, ports, data folder and epmd, no plugins, gone without a trace afterwards. */
export type RabbitmqNode = {
  url: string
  stop(): Promise<void>
  kill(): Promise<void>
  start(): Promise<void>
  /** Deletes all that it has on disk. Only while it is stopped. */
  wipe(): void
  close(): Promise<void>
}

/** Debian's wrapper in /usr/sbin would become another user; what it wraps runs as whoever we are. */
const PLACES = ['/usr/lib/rabbitmq/bin/rabbitmq-server', '/usr/local/sbin/rabbitmq-server', '/opt/homebrew/sbin/rabbitmq-server']
const START_SECONDS = 180

const installed = PLACES.find((place) => existsSync(place))

/** Where it is not installed, what needs it is left out, loudly; @throws where CI said that it must be there. */
export function hasRabbitmq(): boolean {
  if (installed) return true
  if (process.env.CI_REQUIRES_RABBITMQ === '1') throw new Error(`RabbitMQ is not installed: none of ${PLACES.join(', ')}`)
  process.stderr.write('\n*** RabbitMQ is not installed: what needs it is SKIPPED (Debian: apt-get install rabbitmq-server) ***\n\n')
  return false
}

export async function startRabbitmq(): Promise<RabbitmqNode> {
  const [port = 0, distPort = 0, epmdPort = 0] = await freePorts(3)
  const folder = temporaryFolder('rabbitmq')
  const password = randomBytes(12).toString('hex')
  const env = environment({ folder, port, distPort, epmdPort, password })
  // Started by us and not by Erlang, which would leave it behind, listening on all addresses.
  const epmd = spawn('epmd', [], { env, stdio: 'ignore' })
  const url = `amqp://comanda:${password}@127.0.0.1:${port}`
  let node: ChildProcess | undefined
  const end = async (signal: NodeJS.Signals) => {
    await ended(node, signal)
    node = undefined
  }
  const start = async () => {
    const child = spawn(installed ?? '', [], { env, stdio: ['ignore', 'ignore', 'ignore'] })
    node = child
    await until('RabbitMQ to start', () => answers(url, child, folder), START_SECONDS)
  }
  // A test run that is cut off leaves nothing behind either.
  process.once('exit', () => [node, epmd].forEach((child) => void child?.kill('SIGKILL')))
  await start()
  return {
    url,
    start,
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
    wipe: () => rmSync(join(folder, 'data'), { recursive: true, force: true }),
    async close() {
      await end('SIGKILL')
      await ended(epmd, 'SIGKILL')
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

type Place = { folder: string; port: number; distPort: number; epmdPort: number; password: string }

function environment({ folder, port, distPort, epmdPort, password }: Place): NodeJS.ProcessEnv {
  const config = [
    `listeners.tcp.1 = 127.0.0.1:${port}`,
    'default_user = comanda',
    `default_pass = ${password}`,
    'disk_free_limit.absolute = 50MB',
    'log.console = false',
  ]
  for (const name of ['data', 'log']) mkdirSync(join(folder, name))
  writeFileSync(join(folder, 'rabbitmq.conf'), `${config.join('\n')}\n`)
  writeFileSync(join(folder, 'enabled_plugins'), '[].\n')
  writeFileSync(join(folder, 'rabbitmq-env.conf'), '')
  return {
    PATH: process.env.PATH,
    LANG: 'C.UTF-8',
    // The cookie lies there.
    HOME: folder,
    // Makes the script become the server, so that the process we kill is the server itself.
    RUNNING_UNDER_SYSTEMD: 'true',
    RABBITMQ_NODENAME: `comanda-${port}@localhost`,
    RABBITMQ_DIST_PORT: String(distPort),
    RABBITMQ_CONF_ENV_FILE: join(folder, 'rabbitmq-env.conf'),
    RABBITMQ_CONFIG_FILE: join(folder, 'rabbitmq.conf'),
    RABBITMQ_ENABLED_PLUGINS_FILE: join(folder, 'enabled_plugins'),
    RABBITMQ_MNESIA_BASE: join(folder, 'data'),
    RABBITMQ_LOG_BASE: join(folder, 'log'),
    // Else idle schedulers burn CPU that the tests need.
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '-kernel inet_dist_use_interface {127,0,0,1} +sbwt none +sbwtdcpu none +sbwtdio none',
    ERL_EPMD_PORT: String(epmdPort),
    ERL_EPMD_ADDRESS: '127.0.0.1',
  }
}

async function answers(url: string, node: ChildProcess, folder: string): Promise<boolean> {
  if (node.exitCode !== null) throw new Error(`RabbitMQ ended with ${node.exitCode}: see ${join(folder, 'log')}`)
  try {
    const connection = await connect(url, { timeout: 2_000 })
    connection.on('error', () => {})
    await connection.close()
    return true
  } catch {
    return false
  }
}

async function ended(child: ChildProcess | undefined, signal: NodeJS.Signals): Promise<void> {
  if (!child || child.exitCode !== null || child.signalCode !== null) return
  const exit = new Promise((resolve) => child.once('exit', resolve))
  child.kill(signal)
  await exit
}
