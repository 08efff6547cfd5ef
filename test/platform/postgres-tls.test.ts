import { chownSync, readFileSync, statSync } from 'node:fs'
import { rootCertificates, setDefaultCACertificates } from 'node:tls'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/platform/embedded-postgres.ts'
import { openDatabase, sql } from '../../src/platform/postgres.ts'
import { trustAlso } from '../../src/platform/trust.ts'
import { certificates, hasOpenssl } from '../support/certificates.ts'
import { temporaryFolder } from '../support/folder.ts'
import { freePorts } from '../support/system.ts'

/** A PostgreSQL elsewhere, with TLS: `sslmode=verify-full` as docs/CONFIGURATION.md has it. */

describe.runIf(hasOpenssl())('a database reached with sslmode=verify-full', () => {
  let postgres: EmbeddedPostgres
  let ca: string
  beforeAll(async () => {
    const made = await certificates(['localhost'])
    ca = readFileSync(made.of('localhost').ca, 'utf8')
    const [port = 0] = await freePorts(1)
    const dataDir = temporaryFolder('postgres-tls')
    const settings = { ssl: 'on', ssl_cert_file: made.of('localhost').cert, ssl_key_file: made.of('localhost').key }
    // As root the server runs as a user of its own, whose the key must be.
    const first = await startEmbeddedPostgres({ dataDir, port, databases: ['orders'] })
    const { uid, gid } = statSync(first.folder)
    await first.stop()
    chownSync(settings.ssl_key_file, uid, gid)
    postgres = await startEmbeddedPostgres({ dataDir, port, databases: ['orders'], settings })
  }, 90_000)
  afterAll(async () => {
    setDefaultCACertificates(rootCertificates)
    await postgres?.stop()
  }, 60_000)

  async function isEncrypted(host: string): Promise<boolean | string> {
    const url = new URL(postgres.urls.orders ?? '')
    url.hostname = host
    url.searchParams.set('sslmode', 'verify-full')
    const db = openDatabase(url.toString(), { max: 1 })
    try {
      const [row] = await db.query<{ ssl: boolean }>(sql`select ssl from pg_stat_ssl where pid = pg_backend_pid()`)
      return row?.ssl ?? 'no row'
    } catch (error) {
      return (error as Error).message
    } finally {
      await db.close()
    }
  }

  it('is not spoken to while its CA is not trusted, then it is, encrypted, and only by the name in its certificate', async () => {
    expect(await isEncrypted('localhost')).toMatch(/certificate/)
    trustAlso(ca)
    expect(await isEncrypted('localhost')).toBe(true)
    expect(await isEncrypted('127.0.0.1')).toMatch(/does not match certificate's altnames/)
  })
})
