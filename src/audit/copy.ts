import pg from 'pg'
import { freeze, type Sessions } from './sessions.ts'
import { COPIED_TABLES, type CopiedTable } from './tables.ts'

/** Rows on their way at a time: memory stays the same however many orders there are. */
const CHUNK = 5_000

/**
 * Copies what the checks that span databases need into temporary tables of the session on orders. Databases can't be joined, and the
 * audit must not need the right to write to any; temporary tables need none.
 */
export async function copyAll(sessions: Sessions): Promise<void> {
  const target = sessions.orders
  await target.query('create temporary table began as select clock_timestamp() as at')
  for (const { name, columns } of COPIED_TABLES) await target.query(`create temporary table ${pg.escapeIdentifier(name)} (${columns})`)
  const { orders, ...others } = sessions
  await Promise.all(Object.values(others).map(freeze))
  const foreign = COPIED_TABLES.filter((table) => table.from !== 'orders')
  await Promise.all(
    Object.entries(others).map(async ([owner, source]) => {
      for (const table of foreign.filter(({ from }) => from === owner)) await copyTable(source, { target, table })
    }),
  )
  await freeze(orders)
  for (const table of COPIED_TABLES) {
    if (table.from === 'orders') await target.query(insertFrom(table))
    await target.query(`analyze ${pg.escapeIdentifier(table.name)}`)
  }
}

const columnNames = ({ columns }: CopiedTable) =>
  columns
    .split(',')
    .map((column) => column.trim().split(' ')[0])
    .join(', ')

function insertFrom(table: CopiedTable): string {
  return `insert into ${pg.escapeIdentifier(table.name)} (${columnNames(table)}) select ${columnNames(table)} from (${table.select}) t`
}

/** Row by row as JSON text, which neither side makes objects of; the next chunk is read while the last is written. */
async function copyTable(source: pg.Client, { target, table }: { target: pg.Client; table: CopiedTable }): Promise<void> {
  const name = pg.escapeIdentifier(table.name)
  const insert = { name: `copy ${table.name}`, text: `insert into ${name} select * from json_populate_recordset(null::${name}, $1)` }
  await source.query(`declare copied no scroll cursor for select row_to_json(t)::text as line from (${table.select}) t`)
  const next = async () => (await source.query<{ line: string }>(`fetch ${CHUNK} from copied`)).rows
  for (let chunk = await next(); chunk.length > 0; ) {
    const json = `[${chunk.map((row) => row.line).join()}]`
    const [following] = await Promise.all([next(), target.query({ ...insert, values: [json] })])
    chunk = following
  }
  await source.query('close copied')
}
