import { execFileSync } from 'node:child_process'
import { appendFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { type CertificateFiles, filesOf, readCertificates } from '../../src/platform/certificates.ts'
import { certificates, hasOpenssl } from '../support/certificates.ts'

describe.runIf(hasOpenssl())('the files of mutual TLS', () => {
  let orders: CertificateFiles
  let gateway: CertificateFiles
  let foreign: CertificateFiles
  let dir: string
  beforeAll(async () => {
    const ours = await certificates(['orders', 'gateway'])
    ;[orders, gateway, dir] = [ours.of('orders'), ours.of('gateway'), ours.dir]
    foreign = (await certificates(['orders'])).of('orders')
  })

  const problem = (files: CertificateFiles, names: string[] = ['orders'], now = new Date()) =>
    readCertificates(files, names, now).then(
      () => 'none',
      (error: Error) => error.message,
    )

  it('are good as `comanda certs create` makes them', async () => {
    expect(await problem(orders)).toBe('none')
  })

  it('are named when they are not there', async () => {
    for (const [which, setting] of [
      ['cert', 'GRPC_TLS_CERT_FILE'],
      ['key', 'GRPC_TLS_KEY_FILE'],
      ['ca', 'GRPC_TLS_CA_FILE'],
    ] as const)
      expect(await problem({ ...orders, [which]: '/no/such.pem' })).toBe(`${setting} (/no/such.pem) can't be read: there is no such file`)
  })

  it('are named when they hold something else', async () => {
    const file = join(dir, 'letter.txt')
    writeFileSync(file, 'Dear Sir')
    expect(await problem({ ...orders, cert: file })).toBe(`GRPC_TLS_CERT_FILE (${file}) holds no certificate in PEM`)
    expect(await problem({ ...orders, ca: file })).toBe(`GRPC_TLS_CA_FILE (${file}) holds no certificate in PEM`)
    expect(await problem({ ...orders, key: file })).toContain(`GRPC_TLS_KEY_FILE (${file}) holds no private key`)
    writeFileSync(file, '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n')
    expect(await problem({ ...orders, cert: file })).toBe(`GRPC_TLS_CERT_FILE (${file}) holds no certificate in PEM`)
  })

  it('must belong together: key, certificate and CA', async () => {
    expect(await problem({ ...orders, key: gateway.key })).toBe(
      `GRPC_TLS_KEY_FILE (${gateway.key}) does not belong to the certificate in ${orders.cert}`,
    )
    expect(await problem({ ...orders, ca: foreign.ca })).toBe(
      `GRPC_TLS_CERT_FILE (${orders.cert}) was not issued by a certificate in ${foreign.ca}`,
    )
  })

  it('are not good by a stranger among them whom the CA knows', async () => {
    const file = join(dir, 'two.crt')
    writeFileSync(file, Buffer.concat([readFileSync(foreign.cert), readFileSync(orders.cert)]))
    expect(await problem({ cert: file, key: foreign.key, ca: orders.ca })).toBe(
      `GRPC_TLS_CERT_FILE (${file}) was not issued by a certificate in ${orders.ca}`,
    )
  })

  it('may come from a CA between, when its certificate is with them', async () => {
    const at = (file: string) => join(dir, file)
    const issue = (name: string, issuer: string, extensions: string[]) =>
      execFileSync('openssl', [
        ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', `/CN=${name}`, '-days', '2'],
        ...['-CA', at(`${issuer}.crt`), '-CAkey', at(`${issuer}.key`), '-keyout', at(`${name}.key`), '-out', at(`${name}.crt`)],
        ...extensions.flatMap((extension) => ['-addext', extension]),
      ])
    issue('between', 'ca', ['basicConstraints=critical,CA:TRUE', 'keyUsage=critical,keyCertSign'])
    issue('leaf', 'between', ['subjectAltName=DNS:orders', 'extendedKeyUsage=serverAuth,clientAuth'])
    const files = { cert: at('leaf.crt'), key: at('leaf.key'), ca: orders.ca }
    expect(await problem(files)).toContain('was not issued by')
    appendFileSync(files.cert, readFileSync(at('between.crt')))
    expect(await problem(files)).toBe('none')
    issue('half', 'ca', ['subjectAltName=DNS:orders', 'extendedKeyUsage=serverAuth'])
    expect(await problem({ cert: at('half.crt'), key: at('half.key'), ca: orders.ca })).toContain('is not for servers and clients')
  })

  it('are made of the CA that is there, and of no other when its key is kept elsewhere', async () => {
    const { dir: made } = await certificates(['orders'])
    const before = readFileSync(join(made, 'ca.crt'))
    await certificates(['orders'], { dir: made })
    expect(readFileSync(join(made, 'ca.crt'))).toEqual(before)
    rmSync(join(made, 'ca.key'))
    await expect(certificates(['orders'], { dir: made })).rejects.toThrow('ca.key is missing')
    expect(readFileSync(join(made, 'ca.crt'))).toEqual(before)
  })

  it('must be good today', async () => {
    const inTwoYears = new Date(Date.now() + 2 * 365 * 86_400_000)
    expect(await problem(orders, ['orders'], inTwoYears)).toMatch(/^GRPC_TLS_CERT_FILE \(.+\) has expired on /)
    expect(await problem(orders, ['orders'], new Date(Date.now() - 86_400_000))).toMatch(/^GRPC_TLS_CERT_FILE \(.+\) is not good before /)
  })

  it('must be for the service that this process is', async () => {
    expect(await problem(gateway)).toBe(
      `GRPC_TLS_CERT_FILE (${gateway.cert}) is for DNS:gateway, but must be for DNS:orders: that is who this process is`,
    )
  })

  it('may have {service} in their names where a process is one service', () => {
    const files = { cert: 'c/{service}.crt', key: 'c/{service}.key', ca: 'c/ca.crt' }
    expect(filesOf(files, ['payment'])).toEqual({ cert: 'c/payment.crt', key: 'c/payment.key', ca: 'c/ca.crt' })
    expect(() => filesOf(files, ['orders', 'payment'])).toThrow(
      'GRPC_TLS_CERT_FILE (c/{service}.crt) says {service}, but this process is orders and payment: name one certificate for all of them',
    )
  })
})
