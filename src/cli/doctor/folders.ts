import { constants } from 'node:fs'
import { access, readdir, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { bad, type Finding, fine } from './finding.ts'

/** Whether a folder can be written, or made, and how much is in it. */
export async function checkFolder({ name, setting, path }: { name: string; setting: string; path: string }): Promise<Finding> {
  const found = await stat(path).catch(() => undefined)
  if (!found) {
    const above = await existingAbove(path)
    return (await isWritable(above))
      ? fine(name, `${path} will be made at the first start`)
      : bad(name, `${path} does not exist and ${above} can't be written`, `give yourself the right, or set ${setting} to another folder`)
  }
  if (!found.isDirectory()) return bad(name, `${path} is not a folder`, `move it away, or set ${setting} to another folder`)
  if (!(await isWritable(path)))
    return bad(name, `${path} can't be written`, `give yourself the right, or set ${setting} to another folder`)
  return fine(name, `${path} (${bytes(await sizeOf(path))})`)
}

const isWritable = (path: string) =>
  access(path, constants.W_OK).then(
    () => true,
    () => false,
  )

async function existingAbove(path: string): Promise<string> {
  const above = dirname(path)
  return above === path || (await stat(above).catch(() => undefined)) ? above : existingAbove(above)
}

/** Bytes of all files that may be read. */
async function sizeOf(folder: string): Promise<number> {
  let size = 0
  for (const entry of await readdir(folder, { withFileTypes: true, recursive: true }).catch(() => [])) {
    if (entry.isFile()) size += (await stat(join(entry.parentPath, entry.name)).catch(() => ({ size: 0 }))).size
  }
  return size
}

export function bytes(size: number): string {
  if (size < 1024) return `${size} bytes`
  const power = Math.min(3, Math.floor(Math.log2(size) / 10))
  return `${(size / 1024 ** power).toFixed(1)} ${['', 'KiB', 'MiB', 'GiB'][power]}`
}
