import pg from 'pg'

/**
 * The payment provider's book outlives whatever becomes of our data: it is another company's. The simulated one lies in the payment database, so whoever loses that, or goes
 * back to an older one, must carry the book over: it is read where it is newest, and laid into the database that was restored.
 */

const TABLES = ['simulated_provider.charges', 'simulated_provider.operations'] as const
export type OutsideBook = Record<(typeof TABLES)[number], unknown[]>

export async function readOutsideBook(paymentUrl: string): Promise<OutsideBook> {
  return withClient(paymentUrl, async (client) => {
    const read = async (table: string) =>
      (await client.query<{ row: unknown }>(`select to_jsonb(t) as row from ${table} t`)).rows.map(({ row }) => row)
    return Object.fromEntries(await Promise.all(TABLES.map(async (table) => [table, await read(table)]))) as OutsideBook
  })
}

export async function layOutsideBook(paymentUrl: string, book: OutsideBook): Promise<void> {
  await withClient(paymentUrl, async (client) => {
    await client.query('begin')
    await client.query(`truncate ${TABLES.join(', ')}`)
    for (const table of TABLES)
      await client.query(`insert into ${table} select * from jsonb_populate_recordset(null::${table}, $1)`, [JSON.stringify(book[table])])
    await client.query('commit')
  })
}

async function withClient<T>(connectionString: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString })
  client.on('error', () => {})
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end().catch(() => {})
  }
}
