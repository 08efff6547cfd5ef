import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { makeCertificates } from '../../src/cli/certificate-maker.ts'
import type { CertificateFiles } from '../../src/platform/certificates.ts'
import { temporaryFolder } from './folder.ts'

/** Certificates as `comanda certs create` makes them; negative days: expired. */
export async function certificates(names: readonly string[], { dir = temporaryFolder('certificates'), days = 2 } = {}) {
  await makeCertificates({ dir, names, days })
  const of = (name: string): CertificateFiles => ({
    cert: join(dir, `${name}.crt`),
    key: join(dir, `${name}.key`),
    ca: join(dir, 'ca.crt'),
  })
  return { dir, of }
}

/** Without it no certificates can be made. */
export const hasOpenssl = (): boolean => {
  try {
    execFileSync('openssl', ['version'], { stdio: 'ignore' })
    return true
  } catch {
    process.stderr.write('openssl is not installed: nothing about TLS is tested\n')
    return false
  }
}
