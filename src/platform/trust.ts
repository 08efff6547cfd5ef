import { getCACertificates, setDefaultCACertificates } from 'node:tls'

/** Trusts these certificates (PEM text) besides those that Node knows, for every TLS connection that this process opens from now on. */
export function trustAlso(pem: string): void {
  const certificates = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
  if (certificates.length > 0) setDefaultCACertificates([...getCACertificates('default'), ...certificates])
}
