import { type Config, OWNERS } from '../platform/config.ts'
import { embeddedUrls } from '../platform/embedded-postgres.ts'
import { AuditError, type Urls } from './sessions.ts'

/** Where the four databases are: as set, else in the embedded server that runs on the data folder. @throws {AuditError} saying what to do. */
export async function findUrls({ databaseUrls, dataDir }: Pick<Config, 'databaseUrls' | 'dataDir'>): Promise<Urls> {
  const missing = OWNERS.filter((owner) => databaseUrls[owner] === '')
  const embedded = missing.length > 0 ? await embeddedUrls(dataDir) : {}
  if (!embedded) {
    const settings = missing.map((owner) => `${owner.toUpperCase()}_DATABASE_URL`).join(', ')
    throw new AuditError(
      `no databases to look at: no embedded PostgreSQL runs on ${dataDir} (start it with "comanda serve all"), and ${settings} unset`,
    )
  }
  return Object.fromEntries(OWNERS.map((owner) => [owner, databaseUrls[owner] || embedded[owner]])) as Urls
}
