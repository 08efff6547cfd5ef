import { rmSync } from 'node:fs'
import { startEmbeddedPostgres } from '../../src/platform/embedded-postgres.ts'
import { temporaryFolder } from './folder.ts'

/** One PostgreSQL for the whole run; each test file makes databases of its own on it. */
export default async function setup(): Promise<() => Promise<void>> {
  if (process.env.TEST_POSTGRES_URL) return async () => {}
  const dataDir = temporaryFolder('test')
  // Nothing here survives a power cut anyway, so the tests need not wait for the disk.
  const server = await startEmbeddedPostgres({
    dataDir,
    port: 16_400,
    databases: ['tests'],
    settings: { fsync: 'off', max_connections: '200' },
  })
  process.env.TEST_POSTGRES_URL = server.urls.tests
  return async () => {
    await server.stop()
    rmSync(dataDir, { recursive: true, force: true })
  }
}
