import { fork } from 'node:child_process'
import pg from 'pg'
import { embeddedUrls } from '../src/platform/embedded-postgres.ts'
import { freePorts, type System } from '../test/support/system.ts'

export type Way = 'transaction' | 'procedure'
export type Monolith = { url: string; database: string; stop(): void }

/** A hand-written monolith (bench/baselines/monolith.ts) as a process of its own, with a database of its own on the PostgreSQL of the system. */
export async function startMonolith(system: System, products: number, way: Way): Promise<Monolith> {
  const urls = await embeddedUrls(String(system.env.DATA_DIR))
  const admin = urls?.orders
  if (!admin) throw new Error('the system has no embedded PostgreSQL')
  const client = new pg.Client({ connectionString: admin })
  await client.connect()
  await client.query(`create database monolith_${way}`)
  await client.end()
  const database = Object.assign(new URL(admin), { pathname: `/monolith_${way}` }).toString()
  const [port] = await freePorts(1)
  const child = fork(new URL('baselines/monolith.ts', import.meta.url), [database, String(port), String(products), way])
  await new Promise<void>((resolve, reject) => {
    child.once('message', () => resolve())
    child.once('exit', (code) => reject(new Error(`the monolith ended with ${code}`)))
  })
  return { url: `http://127.0.0.1:${port}`, database, stop: () => child.kill('SIGKILL') }
}
