import { mkdirSync } from 'node:fs'
import { type Config, OWNERS, type ServiceName } from '../platform/config.ts'
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../platform/embedded-postgres.ts'
import { banner } from './banner.ts'
import { type Child, startChild } from './child.ts'
import { lockDataDir } from './lock.ts'
import { requireFreePorts } from './ports.ts'
import { seedCatalogue } from './seed.ts'

/** The whole system: PostgreSQL, one process per service, started again when it dies, stopped in order. */

const STOP_MS = 15_000
/** From the edge inwards: first nothing new comes in, then what is in flight is finished. */
const STOP_ORDER: ServiceName[][] = [['gateway'], ['orders'], ['inventory', 'payment', 'shipping']]

export type Program = { module: string; env: NodeJS.ProcessEnv }

/** Runs until a signal; resolves when all has stopped. */
export async function supervise(config: Config, { module, env }: Program): Promise<void> {
  const say = (line: string) => process.stdout.write(`${line}\n`)
  mkdirSync(config.dataDir, { recursive: true })
  const unlock = lockDataDir(config.dataDir)
  let postgres: EmbeddedPostgres | undefined
  const children: Child[] = []
  // From here on a signal means: stop in order, however far the start has come.
  const stopped = untilSignal(say)
  try {
    await requireFreePorts(config)
    postgres = await startDatabases(config)
    if (postgres?.adopted) say(`PostgreSQL runs already on port ${postgres.port}: using it`)
    const childEnv = { ...env, ...(postgres && databaseSettings(postgres)) }
    const started = startAll(config, (name) => {
      const child = startChild({ name, module, args: ['serve', name], env: childEnv, say })
      children.push(child)
      return child
    })
    const seeded = await Promise.race([started, stopped])
    if (seeded !== 'stop') {
      say(banner({ config, postgres, seeded, pids: new Map(children.map((child) => [child.name, child.pid()])) }))
      await stopped
    }
  } finally {
    for (const group of STOP_ORDER) {
      await Promise.all(children.filter((child) => group.includes(child.name as ServiceName)).map((child) => child.stop(STOP_MS)))
    }
    await postgres?.stop().catch((error: Error) => say(`PostgreSQL did not stop: ${error.message}`))
    unlock()
  }
  say('Stopped. Nothing is lost: the next start goes on from here.')
}

/** The gateway comes last: whoever reaches it finds the catalogue there. @returns how many products were seeded. */
async function startAll(config: Config, start: (name: ServiceName) => Child): Promise<number> {
  const owners = new Map(OWNERS.map((name) => [name, start(name)]))
  await owners.get('inventory')?.ready
  const seeded = await seedCatalogue(config)
  const gateway = start('gateway')
  await Promise.all([...owners.values(), gateway].map((child) => child.ready))
  return seeded
}

async function startDatabases(config: Config): Promise<EmbeddedPostgres | undefined> {
  const embedded = OWNERS.filter((owner) => config.databaseUrls[owner] === '')
  if (embedded.length === 0) return undefined
  return startEmbeddedPostgres({ dataDir: config.dataDir, port: config.postgresPort, databases: embedded })
}

const databaseSettings = ({ urls }: EmbeddedPostgres) =>
  Object.fromEntries(Object.entries(urls).map(([owner, url]) => [`${owner.toUpperCase()}_DATABASE_URL`, url]))

/** The first SIGINT or SIGTERM stops in order, a second one at once. */
function untilSignal(say: (line: string) => void): Promise<'stop'> {
  return new Promise((resolve) => {
    let asked = false
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.on(signal, () => {
        if (asked) process.exit(130)
        asked = true
        say('Stopping: finishing what is in flight (once more to stop at once) …')
        resolve('stop')
      })
    }
  })
}
