import pg from 'pg'
import type { DatabaseServer } from './database.ts'

/** The broker, whose loss may delay orders and must lose none. */
export type ChaosBroker = {
  /** What the services are told. */
  settings: NodeJS.ProcessEnv
  /** SIGKILL; undefined where it has no process of its own. */
  kill?: () => Promise<void>
  start?: () => Promise<void>
  /** All that it holds is gone. */
  wipe(): Promise<void>
  /** Messages it holds, and those of them that are dead. */
  holds(): Promise<{ messages: number; dead: number }>
  stop(): Promise<void>
}

/** Tables in PostgreSQL: it dies with it. */
export function postgresBroker(database: DatabaseServer): ChaosBroker {
  const ask = async <T extends pg.QueryResultRow>(text: string): Promise<T[]> => {
    const client = new pg.Client({ connectionString: database.url('broker'), connectionTimeoutMillis: 5_000 })
    client.on('error', () => {})
    await client.connect()
    try {
      return (await client.query<T>(text)).rows
    } finally {
      await client.end()
    }
  }
  return {
    settings: {},
    wipe: async () => void (await ask('with gone as (delete from messages) delete from dead_letters')),
    async holds() {
      const [row] = await ask<{ messages: number; dead: number }>(
        'select (select count(*) from messages)::int as messages, (select count(*) from dead_letters)::int as dead',
      )
      return row ?? { messages: 0, dead: 0 }
    },
    stop: async () => {},
  }
}
