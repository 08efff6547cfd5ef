import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** One system per data folder. @throws when another one runs on it; a lock left by a dead process is taken over. */
export function lockDataDir(dataDir: string): () => void {
  const file = join(dataDir, 'comanda.pid')
  for (;;) {
    try {
      writeFileSync(file, String(process.pid), { flag: 'wx' })
      return () => rmSync(file, { force: true })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST')
        throw new Error(`the data folder ${dataDir} can't be written: ${(error as Error).message}`)
    }
    const pid = Number(readFileSync(file, 'utf8'))
    if (isComanda(pid))
      throw new Error(`Comanda runs already on ${dataDir} (process ${pid}). Stop it, or choose another DATA_DIR and other ports.`)
    rmSync(file, { force: true })
  }
}

function isComanda(pid: number): boolean {
  if (!pid || pid === process.pid) return false
  try {
    process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
  try {
    // Process ids are used again: after a reboot another program may have this one.
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('serve')
  } catch {
    return true // no /proc here: better once too careful
  }
}
