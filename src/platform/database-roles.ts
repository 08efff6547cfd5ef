import pg from 'pg'

/**
 * For a PostgreSQL on which nothing is made yet, such as a new Aurora: the role and the database that a service's URL names, made by an admin who
 * owns them and runs the migrations. The service's role reads and writes rows, and may change no table.
 */

/** The same database, as the admin. */
export function asAdmin(adminUrl: string, url: string): string {
  const admin = new URL(adminUrl)
  admin.pathname = new URL(url).pathname
  return admin.toString()
}

/** Makes the role and the database of `url` unless they are there, and sets the role's password. Safe to repeat, and at the same time for others. */
export async function createDatabase(adminUrl: string, url: string): Promise<void> {
  const { role, password, database } = namesIn(url)
  const [user, name] = [pg.escapeIdentifier(role), pg.escapeIdentifier(database)]
  const statements = [
    `create role ${user} login`,
    ...(password === '' ? [] : [`alter role ${user} with password ${pg.escapeLiteral(password)}`]),
    `create database ${name}`,
    // One service has no business in the database of another.
    `revoke all on database ${name} from public`,
    `grant connect, temporary on database ${name} to ${user}`,
  ]
  await withAdmin(adminUrl, (admin) => runAll(admin, statements))
}

/** Rows for the service, tables for the admin, in every schema. To be run after each migration: it holds for the tables that are there. */
export async function grantRows(adminUrl: string, url: string): Promise<void> {
  const user = pg.escapeIdentifier(namesIn(url).role)
  await withAdmin(asAdmin(adminUrl, url), async (admin) => {
    const own = `select nspname as name from pg_namespace where nspname not like 'pg\\_%' and nspname <> 'information_schema'`
    const schemas = (await admin.query<{ name: string }>(own)).rows.map(({ name }) => pg.escapeIdentifier(name))
    await runAll(admin, [
      'revoke create on schema public from public',
      ...schemas.flatMap((schema) => [
        `grant usage on schema ${schema} to ${user}`,
        `grant select, insert, update, delete on all tables in schema ${schema} to ${user}`,
        `grant usage, select on all sequences in schema ${schema} to ${user}`,
      ]),
      `revoke insert, update, delete on migrations from ${user}`,
    ])
  })
}

function namesIn(url: string): { role: string; password: string; database: string } {
  const { username, password, pathname } = new URL(url)
  const [role, database] = [decodeURIComponent(username), decodeURIComponent(pathname.slice(1))]
  if (role === '' || database === '') throw new Error('a database URL must name a user and a database when DATABASE_ADMIN_URL is set')
  return { role, password: decodeURIComponent(password), database }
}

/** Somebody made it before us, or at the same time. */
const THERE_ALREADY = ['42710', '42P04', '23505']

/** Names of roles, databases and schemas can't be parameters: whoever calls has quoted them. */
async function runAll(admin: pg.Client, statements: readonly string[]): Promise<void> {
  // Two at once on the same role or database: PostgreSQL would fail one with "tuple concurrently updated".
  await admin.query('select pg_advisory_lock(7236402)')
  for (const statement of statements) {
    await admin.query(statement).catch((error: pg.DatabaseError) => {
      if (!THERE_ALREADY.includes(error.code ?? '')) throw error
    })
  }
}

async function withAdmin(url: string, work: (admin: pg.Client) => Promise<void>): Promise<void> {
  const admin = new pg.Client({ connectionString: url, application_name: 'comanda migrate', connectionTimeoutMillis: 10_000 })
  admin.on('error', () => {})
  await admin.connect()
  try {
    await work(admin)
  } finally {
    await admin.end()
  }
}
