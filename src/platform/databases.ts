import { type Config, type DatabaseName, embeddedDatabases } from './config.ts'
import { embeddedUrls, startEmbeddedPostgres } from './embedded-postgres.ts'

export type Databases = { urls: Record<DatabaseName, string>; stop(): Promise<void> }

/**
 * Where the needed databases are: where the settings say, or else in the embedded server: the one that runs on the data folder, or one that is
 * started here and ends with `stop`.
 */
export async function findDatabases(needed: readonly DatabaseName[], config: Config): Promise<Databases> {
  const given = config.databaseUrls
  const missing = embeddedDatabases(config)
  if (!missing.some((name) => needed.includes(name))) return { urls: given, stop: async () => {} }
  const running = await embeddedUrls(config.dataDir)
  const own = running ? undefined : await startEmbeddedPostgres({ dataDir: config.dataDir, port: config.postgresPort, databases: missing })
  const embedded = running ?? own?.urls ?? {}
  return { urls: { ...given, ...Object.fromEntries(missing.map((name) => [name, embedded[name]])) }, stop: async () => own?.stop() }
}
