import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import Table from 'cli-table3'
import { startSystem } from '../test/support/system.ts'
import { drawCharts } from './charts.ts'
import { load } from './load.ts'
import { startMonolith } from './monolith.ts'
import { option, text } from './option.ts'
import { resources, spent } from './resources.ts'
import { scenes, someIds } from './scenes.ts'
import { createProducts, PRODUCTS, post, randomPair } from './shop.ts'
import { type Measured, summary } from './summary.ts'

/**
 * The speed of the real system: all services as processes, everything durable, load from this process on the same machine. Beside it, on the same
 * PostgreSQL, (a) a hand-written monolith and (b) the whole order as one stored procedure; and (c) the same services without batches, on a PostgreSQL
 * of their own. Usage: npm run bench [-- --rounds N --seconds N --warm-up N --json FILE --charts FOLDER]
 */
const rounds = option('rounds', 3)
const seconds = option('seconds', 8)
const warmUp = option('warm-up', 20)

const system = await startSystem()
const unbatched = await startSystem({ BATCH_MAX: '1' })
const { url } = system
const transaction = await startMonolith(system, PRODUCTS, 'transaction')
const procedure = await startMonolith(system, PRODUCTS, 'procedure')
try {
  await createProducts(url)
  await createProducts(unbatched.url)
  // Warm: V8 compiles for tens of thousands of orders, and all tables hold past orders.
  const request = post(randomPair)
  const began = await resources(system)
  const warm = await load({ url, connections: 256, seconds: warmUp, request })
  const cost = spent(began, await resources(system), warm.perSecond * warmUp)
  for (const other of [unbatched.url, transaction.url, procedure.url])
    await load({ url: other, connections: 64, seconds: warmUp / 4, request })
  const ids = await someIds(system)
  const urls = {
    comanda: url,
    unbatched: unbatched.url,
    transaction: transaction.url,
    procedure: procedure.url,
    database: procedure.database,
  }
  const list = scenes(urls, () => ids)
  const measured: Measured[] = list.map(({ name }) => ({ name, results: [] }))
  for (let round = 1; round <= rounds; round++) {
    for (const [at, scene] of list.entries()) {
      process.stderr.write(`round ${round}/${rounds}: ${scene.name}\n`)
      measured[at]?.results.push(await scene.run(seconds))
    }
  }
  const machine = `${cpus()[0]?.model.trim()}, ${cpus().length} cores, Node ${process.version}, ${rounds} interleaved rounds of ${seconds} s`
  const rows = summary(measured)
  const memoryMb = system.memoryMb()
  const table = new Table({
    head: ['scene, connections', '2xx/s, median (range)', 'p50 ms', 'p99 ms', 'answers', 'errors'],
    style: { head: [] },
  })
  for (const row of rows) {
    table.push([row.name, `${row.perSecond} (${row.least}–${row.most})`, row.p50, row.p99 ?? '', row.answers, row.errors])
  }
  console.log(`\n${machine}\n\n${table.toString()}\n${JSON.stringify({ ...cost, memoryMb }, null, 2)}`)
  if (text('json'))
    writeFileSync(
      text('json'),
      `${JSON.stringify({ machine, date: new Date().toISOString().slice(0, 10), rows, cost, memoryMb }, null, 2)}\n`,
    )
  if (text('charts')) drawCharts(rows, machine, text('charts'))
  const audit = spawnSync(process.execPath, ['src/cli/main.ts', 'audit'], { env: system.env, encoding: 'utf8' })
  console.log(audit.stdout.trim().split('\n').slice(-2).join('\n'))
  process.exitCode = audit.status ?? 1
} finally {
  transaction.stop()
  procedure.stop()
  await Promise.all([system.stop(), unbatched.stop()])
}
