import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
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
const TOOL_MS = 90_000

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
  const epmd = startEpmd(epmdPort)
  const node = rabbitmqServer({ folder, home: folder, name: `comanda-${port}`, port, distPort, epmdPort, password: newPassword() })
  await node.start()
  return {
    url: node.url,
    start: node.start,
    stop: () => node.end('SIGTERM'),
    kill: () => node.end('SIGKILL'),
    wipe: node.wipe,
    async close() {
      await node.end('SIGKILL')
      await epmd.end()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

export const newPassword = () => randomBytes(12).toString('hex')

/** Erlang's register of names, started by us and not by Erlang, which would leave it behind, listening on all addresses. */
export function startEpmd(port: number): { end(): Promise<void> } {
  const child = spawn('epmd', [], { env: epmdEnv(port), stdio: 'ignore' })
  process.once('exit', () => void child.kill('SIGKILL'))
  return { end: () => ended(child, 'SIGKILL') }
}

/** A server that doesn't run yet. */
export type RabbitmqServer = {
  /** As Erlang knows it: name@host. */
  name: string
  port: number
  url: string
  /** Resolves when it takes connections. */
  start(): Promise<void>
  isUp(): boolean
  end(signal: NodeJS.Signals): Promise<void>
  /** Deletes all that it has on disk. Only while it doesn't run. */
  wipe(): void
  /** Runs one of RabbitMQ's tools on it. @throws with what the tool said. */
  tool(which: 'rabbitmqctl' | 'rabbitmq-queues', ...args: string[]): Promise<string>
}

/** `home` holds the cookie: nodes of a cluster share it, and the epmd. `config`: further lines of rabbitmq.conf. */
export type ServerPlace = {
  folder: string
  home: string
  name: string
  port: number
  distPort: number
  epmdPort: number
  password: string
  config?: string[]
}

export function rabbitmqServer(place: ServerPlace): RabbitmqServer {
  const { folder, name, port, password } = place
  const env = environment(place)
  const url = `amqp://comanda:${password}@127.0.0.1:${port}`
  let child: ChildProcess | undefined
  let isUp = false
  // A test run that is cut off leaves nothing behind either.
  process.once('exit', () => void child?.kill('SIGKILL'))
  return {
    name: `${name}@localhost`,
    port,
    url,
    isUp: () => isUp,
    async start() {
      const started = spawn(installed ?? '', [], { env, stdio: ['ignore', 'ignore', 'ignore'] })
      child = started
      await until(`${name} to start`, () => answers(url, started, folder), START_SECONDS)
      isUp = true
    },
    async end(signal) {
      isUp = false
      await ended(child, signal)
      child = undefined
    },
    wipe: () => rmSync(join(folder, 'data'), { recursive: true, force: true }),
    tool: async (which, ...args) => {
      const path = join(dirname(installed ?? ''), which)
      const { stdout } = await promisify(execFile)(path, ['-n', `${name}@localhost`, '-q', ...args], { env, timeout: TOOL_MS })
      return stdout
    },
  }
}

const epmdEnv = (port: number) => ({ PATH: process.env.PATH, ERL_EPMD_PORT: String(port), ERL_EPMD_ADDRESS: '127.0.0.1' })

function environment({ folder, home, name, port, distPort, epmdPort, password, config = [] }: ServerPlace): NodeJS.ProcessEnv {
  const lines = [
    `listeners.tcp.1 = 127.0.0.1:${port}`,
    'default_user = comanda',
    `default_pass = ${password}`,
    'disk_free_limit.absolute = 50MB',
    'log.console = false',
    ...config,
  ]
  for (const made of ['data', 'log']) mkdirSync(join(folder, made), { recursive: true })
  writeFileSync(join(folder, 'rabbitmq.conf'), `${lines.join('\n')}\n`)
  writeFileSync(join(folder, 'enabled_plugins'), '[].\n')
  writeFileSync(join(folder, 'rabbitmq-env.conf'), '')
  return {
    ...epmdEnv(epmdPort),
    LANG: 'C.UTF-8',
    // The cookie lies there.
    HOME: home,
    // Makes the script become the server, so that the process we kill is the server itself.
    RUNNING_UNDER_SYSTEMD: 'true',
    RABBITMQ_NODENAME: `${name}@localhost`,
    RABBITMQ_DIST_PORT: String(distPort),
    RABBITMQ_CONF_ENV_FILE: join(folder, 'rabbitmq-env.conf'),
    RABBITMQ_CONFIG_FILE: join(folder, 'rabbitmq.conf'),
    RABBITMQ_ENABLED_PLUGINS_FILE: join(folder, 'enabled_plugins'),
    RABBITMQ_MNESIA_BASE: join(folder, 'data'),
    RABBITMQ_LOG_BASE: join(folder, 'log'),
    // Else idle schedulers burn CPU that the tests need.
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '-kernel inet_dist_use_interface {127,0,0,1} +sbwt none +sbwtdcpu none +sbwtdio none',
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
