import { fork } from 'node:child_process'
import pg from 'pg'
import { embeddedUrls } from '../src/platform/embedded-postgres.ts'
import type { System } from '../test/support/system.ts'

/** The hand-written monolith (bench/baselines/monolith.ts) as a process of its own, with a database of its own on the PostgreSQL of the system. */
export async function startMonolith(system: System, products: number): Promise<{ url: string; stop(): void }> {
  const urls = await embeddedUrls(String(system.env.DATA_DIR))
  const admin = urls?.orders
  if (!admin) throw new Error('the system has no embedded PostgreSQL')
  const client = new pg.Client({ connectionString: admin })
  await client.connect()
  await client.query('create database monolith')
  await client.end()
  const database = Object.assign(new URL(admin), { pathname: '/monolith' }).toString()
  const port = Number(system.env.GATEWAY_PORT) + 20_000
  const child = fork(new URL('baselines/monolith.ts', import.meta.url), [database, String(port), String(products)])
  await new Promise<void>((resolve, reject) => {
    child.once('message', () => resolve())
    child.once('exit', (code) => reject(new Error(`the monolith ended with ${code}`)))
  })
  return { url: `http://127.0.0.1:${port}`, stop: () => child.kill('SIGKILL') }
}
