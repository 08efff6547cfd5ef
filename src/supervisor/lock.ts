import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export type Lock = {
  release(): void
  /** The last run was killed: its processes may still be about to end. */
  lastRunWasKilled: boolean
}

/** One system per data folder. @throws when another one runs on it; a lock left by a dead process is taken over. */
export function lockDataDir(dataDir: string): Lock {
  const file = join(dataDir, 'comanda.pid')
  try {
    mkdirSync(dataDir, { recursive: true })
  } catch (error) {
    throw new Error(`the data folder ${dataDir} can't be made: ${(error as Error).message}; set DATA_DIR to another`)
  }
  for (let lastRunWasKilled = false; ; lastRunWasKilled = true) {
    try {
      writeFileSync(file, `${process.pid} ${startOf(process.pid)}`, { flag: 'wx' })
      return { release: () => rmSync(file, { force: true }), lastRunWasKilled }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw unusable(dataDir, error)
    }
    const [pid = '', started = ''] = readLock(dataDir, file).split(' ')
    if (isRunning(Number(pid), started))
      throw new Error(
        `Comanda runs already on ${dataDir} (process ${pid}): stop it, or set DATA_DIR to another folder and the ports to others`,
      )
    rmSync(file, { force: true })
  }
}

function readLock(dataDir: string, file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    // Released between our try and our look.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return ''
    throw unusable(dataDir, error)
  }
}

const unusable = (dataDir: string, error: unknown) =>
  new Error(`the data folder ${dataDir} can't be used: ${(error as Error).message}; give yourself the right, or set DATA_DIR to another`)

/** Process ids are used again, so the time of its start counts too. */
function isRunning(pid: number, started: string): boolean {
  if (!pid || pid === process.pid) return false
  try {
    process.kill(pid, 0)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false
  }
  return startOf(pid) === started
}

/** When a process started, in the system's own words; empty where there is no /proc, and so always the same. */
function startOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The name in parentheses may hold spaces: count behind it. A zombie has ended.
    const [state, ...rest] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return state === 'Z' ? 'ended' : (rest[18] ?? '')
  } catch {
    return ''
  }
}
