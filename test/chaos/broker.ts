import pg from 'pg'
import { startRabbitmq } from '../support/rabbitmq.ts'
import type { DatabaseServer } from './database.ts'
import { pause } from './pause.ts'

/** The broker, whose loss may delay orders and must lose none. */
export type ChaosBroker = {
  /** What the services are told. */
  settings: NodeJS.ProcessEnv
  /** Not down, nor just starting. */
  isUp(): boolean
  /** SIGKILL, and a start again after `downMs`; undefined where it has no process of its own. */
  kill?: (downMs: number) => Promise<void>
  /** All that it holds is gone. @returns what that was, as far as is known. */
  wipe(): Promise<string>
  stop(): Promise<void>
}

/** Tables in PostgreSQL: it dies with it. */
export function postgresBroker(database: DatabaseServer): ChaosBroker {
  return {
    settings: {},
    isUp: () => true,
    async wipe() {
      const client = new pg.Client({ connectionString: database.url('broker'), connectionTimeoutMillis: 5_000 })
      client.on('error', () => {})
      await client.connect()
      try {
        const { rowCount } = await client.query('delete from messages')
        const dead = await client.query('delete from dead_letters')
        return `${rowCount} messages, ${dead.rowCount} dead letters`
      } finally {
        await client.end()
      }
    },
    stop: async () => {},
  }
}

/** A RabbitMQ of the run's own. */
export async function rabbitmqBroker(): Promise<ChaosBroker> {
  const node = await startRabbitmq()
  // One thing at a time: a node that starts can't be killed and wiped by another blow.
  let last: Promise<unknown> = Promise.resolve()
  let atWork = 0
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    atWork++
    const done = last.then(work).finally(() => atWork--)
    last = done.catch(() => {})
    return done
  }
  return {
    settings: { BROKER_URL: node.url },
    isUp: () => atWork === 0,
    kill: (downMs) =>
      inTurn(async () => {
        await node.kill()
        await pause(downMs)
        await node.start()
      }),
    wipe: () =>
      inTurn(async () => {
        await node.kill()
        node.wipe()
        await node.start()
        return 'its data folder was deleted'
      }),
    stop: () => inTurn(() => node.close()),
  }
}
