import pg from 'pg'
import { freeze, type Sessions } from './sessions.ts'
import { COPIED_TABLES, type CopiedTable } from './tables.ts'

/** Rows on their way at a time: memory stays the same however many orders there are. */
const CHUNK = 5_000

/** The statements around a table. All of it is written in tables.ts: nothing that comes from outside goes into them. */
function statementsOf({ name: plain, columns, select }: CopiedTable) {
  const name = pg.escapeIdentifier(plain)
  const names = columns
    .split(',')
    .map((column) => column.trim().split(' ')[0])
    .join(', ')
  return {
    create: `create temporary table ${name} (${columns})`,
    fillHere: `insert into ${name} (${names}) select ${names} from (${select}) t`,
    fillFromJson: { name: `fill ${plain}`, text: `insert into ${name} select * from json_populate_recordset(null::${name}, $1)` },
    openCursor: `declare copied no scroll cursor for select row_to_json(t)::text as line from (${select}) t`,
    nextLines: `fetch ${CHUNK} from copied`,
    closeCursor: 'close copied',
    analyze: `analyze ${name}`,
  }
}

/**
 * Copies what the checks that span databases need into temporary tables of the session on orders. Databases can't be joined, and the
 * audit must not need the right to write to any; temporary tables need none.
 */
export async function copyAll(sessions: Sessions): Promise<void> {
  const target = sessions.orders
  await target.query('create temporary table began as select clock_timestamp() as at')
  for (const table of COPIED_TABLES) await target.query(statementsOf(table).create)
  const { orders, ...others } = sessions
  await Promise.all(Object.values(others).map(freeze))
  await Promise.all(
    Object.entries(others).map(async ([owner, source]) => {
      for (const table of COPIED_TABLES) if (table.from === owner) await copyTable(source, { target, table })
    }),
  )
  await freeze(orders)
  for (const table of COPIED_TABLES) {
    const { fillHere, analyze } = statementsOf(table)
    if (table.from === 'orders') await target.query(fillHere)
    await target.query(analyze)
  }
}

/** Row by row as JSON text, which neither side makes objects of; the next chunk is read while the last is written. */
async function copyTable(source: pg.Client, { target, table }: { target: pg.Client; table: CopiedTable }): Promise<void> {
  const { openCursor, nextLines, closeCursor, fillFromJson } = statementsOf(table)
  const next = async () => (await source.query<{ line: string }>(nextLines)).rows
  await source.query(openCursor)
  for (let chunk = await next(); chunk.length > 0; ) {
    const json = `[${chunk.map((row) => row.line).join()}]`
    const [following] = await Promise.all([next(), target.query({ ...fillFromJson, values: [json] })])
    chunk = following
  }
  await source.query(closeCursor)
}
