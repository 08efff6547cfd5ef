import { execFile } from 'node:child_process'
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Failure } from './failure.ts'

/** A small certificate authority for trying out and for one's own machines. Node can't sign certificates: openssl does. */

const run = promisify(execFile)

const CA_DAYS = 3_650
const CA_EXTENSIONS = ['basicConstraints=critical,CA:TRUE,pathlen:0', 'keyUsage=critical,keyCertSign,cRLSign', 'subjectKeyIdentifier=hash']
const extensionsOf = (name: string) => [
  'basicConstraints=critical,CA:FALSE',
  'keyUsage=critical,digitalSignature',
  // Each service is called, and calls.
  'extendedKeyUsage=serverAuth,clientAuth',
  `subjectAltName=DNS:${name}`,
]

type Wish = { dir: string; names: readonly string[]; days: number }

/**
 * Writes `<name>.crt` and `<name>.key` for each name into the folder, from the CA in `ca.crt` and `ca.key`, which is made if it is not there.
 * What is there is replaced, file by file. @returns whether the CA was made. @throws {Failure} without openssl, and where only half of the CA is.
 */
export async function makeCertificates({ dir, names, days }: Wish): Promise<{ madeCa: boolean }> {
  await mkdir(dir, { recursive: true })
  const [hasCa, hasKey] = await Promise.all([isThere(join(dir, 'ca.crt')), isThere(join(dir, 'ca.key'))])
  // Its key is kept elsewhere, as it should be: another CA in its place would part the services from each other.
  if (hasCa !== hasKey)
    throw new Failure(
      `${join(dir, hasCa ? 'ca.key' : 'ca.crt')} is missing, and ${join(dir, hasCa ? 'ca.crt' : 'ca.key')} is there: bring it, or name another folder for another CA`,
    )
  const work = await mkdtemp(join(dir, '.new-'))
  try {
    const madeCa = !hasCa
    if (madeCa) await makeCa({ dir, work })
    for (const name of names) await makeOne(name, { dir, work, days })
    return { madeCa }
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

type Place = { dir: string; work: string }

async function makeCa({ dir, work }: Place): Promise<void> {
  const [key, config, made] = [join(work, 'ca.key'), join(work, 'ca.cnf'), join(work, 'ca.crt')]
  await writeFile(key, newKey(), { mode: 0o600 })
  await writeFile(config, configOf('Comanda CA', CA_EXTENSIONS))
  await openssl(
    'req',
    '-x509',
    '-new',
    '-key',
    key,
    '-sha256',
    '-days',
    String(CA_DAYS),
    '-config',
    config,
    '-extensions',
    'v3',
    '-out',
    made,
  )
  await rename(made, join(dir, 'ca.crt'))
  await rename(key, join(dir, 'ca.key'))
}

async function makeOne(name: string, { dir, work, days }: Place & { days: number }): Promise<void> {
  const [key, config, request, made] = ['key', 'cnf', 'csr', 'crt'].map((ending) => join(work, `${name}.${ending}`)) as [
    string,
    string,
    string,
    string,
  ]
  await writeFile(key, newKey(), { mode: 0o600 })
  await writeFile(config, configOf(name, extensionsOf(name)))
  await openssl('req', '-new', '-key', key, '-sha256', '-config', config, '-out', request)
  const ca = ['-CA', join(dir, 'ca.crt'), '-CAkey', join(dir, 'ca.key'), '-set_serial', `0x01${randomBytes(15).toString('hex')}`]
  const extensions = ['-extfile', config, '-extensions', 'v3']
  await openssl('x509', '-req', '-in', request, ...ca, '-days', String(days), '-sha256', ...extensions, '-out', made)
  await rename(key, join(dir, `${name}.key`))
  await rename(made, join(dir, `${name}.crt`))
}

const newKey = () => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' })

const configOf = (name: string, extensions: readonly string[]) =>
  ['[req]', 'distinguished_name=dn', 'prompt=no', '[dn]', `CN=${name}`, '[v3]', ...extensions, ''].join('\n')

async function openssl(...args: string[]): Promise<void> {
  await run('openssl', args).catch((error: NodeJS.ErrnoException & { stderr?: string }) => {
    if (error.code === 'ENOENT')
      throw new Failure(
        'openssl is not installed, and Node can not sign certificates: install it (apt install openssl; brew install openssl)',
      )
    throw new Failure(`openssl ${args[0]} failed: ${error.stderr?.trim().split('\n').at(-1) || error.message}`)
  })
}

const isThere = (file: string) =>
  readFile(file).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return false
      throw new Failure(`${file} can't be read: ${error.message}`)
    },
  )
