import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'

/** The three files of mutual TLS: read together, checked together. */

/** PEM files: the own certificate (with those between it and the CA), its key, and the CAs whose certificates are believed. */
export type CertificateFiles = { cert: string; key: string; ca: string }

export type Certificates = {
  cert: Buffer
  key: Buffer
  ca: Buffer
  /** The own one. */
  own: X509Certificate
  /** The CA that vouches for it. */
  authority: X509Certificate
}

/** Says which file is wrong, by its setting and path. */
export class CertificateError extends Error {
  override name = 'CertificateError'
}

const SETTING: Record<keyof CertificateFiles, string> = { cert: 'GRPC_TLS_CERT_FILE', key: 'GRPC_TLS_KEY_FILE', ca: 'GRPC_TLS_CA_FILE' }

/** The files of this process: `{service}` in their names is who it is. @throws CertificateError when it is several. */
export function filesOf(files: CertificateFiles, who: readonly string[]): CertificateFiles {
  const named = Object.entries(files).map(([which, file]) => {
    if (file.includes('{service}') && who.length !== 1)
      throw new CertificateError(
        `${SETTING[which as keyof CertificateFiles]} (${file}) says {service}, but this process is ${who.join(' and ')}: name one certificate for all of them`,
      )
    return [which, file.replaceAll('{service}', who[0] ?? '')]
  })
  return Object.fromEntries(named)
}

/** `names`: what the certificate must be for. @throws CertificateError when the files are not there, wrong, out of date, or don't belong together. */
export async function readCertificates(files: CertificateFiles, names: readonly string[] = [], now = new Date()): Promise<Certificates> {
  const problem = (which: keyof CertificateFiles, what: string) => new CertificateError(`${SETTING[which]} (${files[which]}) ${what}`)
  const read = (which: keyof CertificateFiles) =>
    readFile(files[which]).catch((error: NodeJS.ErrnoException) => {
      throw problem(which, `can't be read: ${error.code === 'ENOENT' ? 'there is no such file' : error.message}`)
    })
  const [cert, key, ca] = await Promise.all([read('cert'), read('key'), read('ca')])
  const parsed = (which: 'cert' | 'ca', text: Buffer) => {
    const found = certificatesIn(text)
    if (found.length === 0) throw problem(which, 'holds no certificate in PEM')
    return found as [X509Certificate, ...X509Certificate[]]
  }
  const [chain, authorities] = [parsed('cert', cert), parsed('ca', ca)]
  const own = chain[0]
  const privateKey = keyIn(key)
  if (!privateKey) throw problem('key', 'holds no private key in PEM, or one that wants a passphrase')
  if (!own.checkPrivateKey(privateKey)) throw problem('key', `does not belong to the certificate in ${files.cert}`)
  if (own.validToDate <= now) throw problem('cert', `has expired on ${own.validTo}`)
  if (own.validFromDate > now) throw problem('cert', `is not good before ${own.validFrom}`)
  const good = authorities.filter(({ validToDate, validFromDate }) => validToDate > now && validFromDate <= now)
  if (good.length === 0) throw problem('ca', `has expired on ${authorities[0].validTo}`)
  const authority = authorityOf(own, { between: chain.slice(1).filter(({ validToDate }) => validToDate > now), authorities: good })
  if (!authority) throw problem('cert', `was not issued by a certificate in ${files.ca}`)
  const purposes = own.keyUsage as string[] | undefined
  if (purposes && ![SERVER, CLIENT].every((purpose) => purposes.includes(purpose)))
    throw problem('cert', 'is not for servers and clients (extended key usage): each service is called, and calls')
  const missing = names.filter((name) => !isFor(own, name))
  if (missing.length > 0)
    throw problem(
      'cert',
      `is for ${own.subjectAltName ?? 'no name'}, but must be for DNS:${missing.join(', DNS:')}: that is who this process is`,
    )
  return { cert, key, ca, own, authority }
}

/** Extended key usage: TLS server, TLS client. */
const SERVER = '1.3.6.1.5.5.7.3.1'
const CLIENT = '1.3.6.1.5.5.7.3.2'

/** Goes up from a certificate, by those between. Undefined: it ends at none that is believed. */
function authorityOf(
  own: X509Certificate,
  { between, authorities }: { between: readonly X509Certificate[]; authorities: readonly X509Certificate[] },
): X509Certificate | undefined {
  const isOf = (issuer: X509Certificate) => own.checkIssued(issuer) && own.verify(issuer.publicKey)
  const authority = authorities.find(isOf)
  if (authority) return authority
  const next = between.find(isOf)
  return next && authorityOf(next, { between: between.filter((one) => one !== next), authorities })
}

/** Whether the certificate bears this very name, as DNS name among its alternative names. */
export const isFor = (certificate: X509Certificate, name: string): boolean =>
  certificate.checkHost(name, { subject: 'never', wildcards: false }) !== undefined

function certificatesIn(pem: Buffer): X509Certificate[] {
  const blocks = pem.toString().match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
  try {
    return blocks.map((block) => new X509Certificate(block))
  } catch {
    return []
  }
}

function keyIn(pem: Buffer): KeyObject | undefined {
  try {
    return createPrivateKey(pem)
  } catch {
    return undefined
  }
}
