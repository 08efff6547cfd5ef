import { resolve } from 'node:path'
import { backUp } from '../../src/backup/backup.ts'
import { restore } from '../../src/backup/restore.ts'
import { copyFile } from '../../src/platform/cluster-copy.ts'
import { readConfig } from '../../src/platform/config.ts'

/** A backup or a restore that stops in the middle of its copying, says so, and waits to be killed: node dying.ts backup|restore <folder> */

const [what, folder = ''] = process.argv.slice(2)
let copied = 0
const copy: typeof copyFile = (from, to) => {
  if (++copied < 40) return copyFile(from, to)
  process.stdout.write('half\n')
  return new Promise(() => setInterval(() => {}, 60_000))
}
await (what === 'backup' ? backUp : restore)(readConfig(process.env), resolve(folder), { copy })
