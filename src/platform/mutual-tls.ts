import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { type TLSSocket, Server as TlsServer } from 'node:tls'
import { type ChannelCredentials, experimental, type ServerCredentials } from '@grpc/grpc-js'
import { admitCallers, type Peer } from './callers.ts'
import { type CertificateFiles, type Certificates, filesOf, readCertificates } from './certificates.ts'
import type { Log } from './log.ts'
import { meter, type Reading } from './metrics.ts'

/**
 * Mutual TLS between the services: both sides show a certificate of a CA that the other believes. Files that are replaced are taken up
 * for the connections that come after; those that are wrong are not, and the ones in use are kept.
 */

export type MutualTls = {
  /** Every connection of this process shares them. */
  channel: ChannelCredentials
  server(log: Log): ServerCredentials
  close(): void
}

const LOOK_EVERY_MS = 30_000
const WARN_BEFORE_MS = 7 * 24 * 3_600_000
const WARN_EVERY_MS = 24 * 3_600_000

type Options = {
  /** What the certificate must be for: the services in this process. */
  names?: readonly string[]
  log: Log
  everyMs?: number
}

/** @throws CertificateError that names the file that is wrong. */
export async function openMutualTls(files: CertificateFiles, { names = [], log, everyMs = LOOK_EVERY_MS }: Options): Promise<MutualTls> {
  const held = new HeldCertificates(await readCertificates(files, names))
  let failures = 0
  let warnedAt = Number.NEGATIVE_INFINITY
  const look = async () => {
    try {
      const found = await readCertificates(files, names)
      failures = 0
      if (held.takeUp(found)) log.info({ expires_at: found.own.validToDate }, 'certificates have changed on the disk: taken up')
    } catch (error) {
      // Once it may be seen between the writing of one file and the next; and it is told once, not twice a minute.
      if (++failures === 2)
        log.error({ error: (error as Error).message }, 'the certificates on the disk are not good: going on with those in use')
    }
    const expiresAt = new Date(Math.min(...Object.values(endsOf(held.current))))
    if (expiresAt.getTime() - Date.now() > WARN_BEFORE_MS || performance.now() - warnedAt < WARN_EVERY_MS) return
    warnedAt = performance.now()
    log.warn({ expires_at: expiresAt }, 'the certificate of this process, or its CA, expires soon: replace it, or nobody will be reached')
  }
  const timer = setInterval(look, everyMs).unref()
  const endWatch = meter()?.watch('certificates', () => readEnds(held.current), { everyMs: 0 })
  return {
    channel: experimental.createCertificateProviderChannelCredentials(held, held),
    server: (toLog) =>
      experimental.createServerCredentialsWithInterceptors(experimental.createCertificateProviderServerCredentials(held, held, true), [
        admitCallers(toLog),
      ]),
    close() {
      clearInterval(timer)
      endWatch?.()
    },
  }
}

/** When they end, in ms since 1970. */
const endsOf = ({ own, authority }: Certificates) => ({ own: own.validToDate.getTime(), ca: authority.validToDate.getTime() })

/** Of those in use: what lies on the disk and was not taken up helps nobody. */
const readEnds = (current: Certificates): Reading[] =>
  Object.entries(endsOf(current)).map(([certificate, endMs]) => ({
    ...{ metric: 'comanda_grpc_certificate_expires_timestamp_seconds', labels: { certificate }, value: endMs / 1_000 },
  }))

type CaListener = Parameters<experimental.CertificateProvider['addCaCertificateListener']>[0]
type IdentityListener = Parameters<experimental.CertificateProvider['addIdentityCertificateListener']>[0]

/** What grpc-js asks for certificates. Unlike its own watcher of files it never has none. */
class HeldCertificates implements experimental.CertificateProvider {
  current: Certificates
  #ca = new Set<CaListener>()
  #identity = new Set<IdentityListener>()

  constructor(first: Certificates) {
    this.current = first
  }

  /** @returns whether they are others than before. */
  takeUp(found: Certificates): boolean {
    const { cert, key, ca } = this.current
    if (found.cert.equals(cert) && found.key.equals(key) && found.ca.equals(ca)) return false
    this.current = found
    for (const listener of this.#ca) this.#tellCa(listener)
    for (const listener of this.#identity) this.#tellIdentity(listener)
    return true
  }

  addCaCertificateListener(listener: CaListener): void {
    this.#ca.add(listener)
    // Not at once: whoever listens is not ready to hear yet.
    process.nextTick(() => this.#tellCa(listener))
  }

  removeCaCertificateListener(listener: CaListener): void {
    this.#ca.delete(listener)
  }

  addIdentityCertificateListener(listener: IdentityListener): void {
    this.#identity.add(listener)
    process.nextTick(() => this.#tellIdentity(listener))
  }

  removeIdentityCertificateListener(listener: IdentityListener): void {
    this.#identity.delete(listener)
  }

  #tellCa(listener: CaListener): void {
    listener({ caCertificate: this.current.ca })
  }

  #tellIdentity(listener: IdentityListener): void {
    listener({ certificate: this.current.cert, privateKey: this.current.key })
  }
}

const LISTENING = 'tracing:net.server.listen:asyncStart'

/**
 * Runs `listen`, and has the log tell who was turned away by the TLS servers that begin to listen in it, and why. grpc-js drops them without a word, and what
 * they are told is often no more than that the connection was reset.
 */
export async function tellWhoIsTurnedAway<T>(log: Log, listen: () => Promise<T>): Promise<T> {
  const watch = (message: unknown) => {
    const { server } = message as { server: unknown }
    if (!(server instanceof TlsServer)) return
    server.on('tlsClientError', (error: NodeJS.ErrnoException, { authorizationError, remoteAddress: address }: TLSSocket) => {
      // Probes open a connection and close it again.
      if (!authorizationError && error.code === 'ECONNRESET') return
      log.warn({ address, reason: String(authorizationError ?? error.message) }, 'connection refused: no certificate that is good here')
    })
  }
  subscribe(LISTENING, watch)
  try {
    return await listen()
  } finally {
    unsubscribe(LISTENING, watch)
  }
}

let used: MutualTls | undefined

/**
 * Every gRPC server and client that this process makes from now on uses it; without files they stay plain. `who` it is: services, whose
 * certificate must be for them, or the operator.
 */
export async function useMutualTls(files: CertificateFiles | undefined, { who, log }: { who: readonly Peer[]; log: Log }): Promise<void> {
  used?.close()
  used = files && (await openMutualTls(filesOf(files, who), { names: who.filter((one) => one !== 'operator'), log }))
}

export const mutualTls = (): MutualTls | undefined => used
