/**
 * Runs a program of this project with the right Node, on any machine with Node 20 and npm: installs what is missing first.
 * Plain JavaScript, because it has to run before anything is installed. Usage: node bin/bootstrap.mjs <file.ts> [arguments]
 */
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const modules = join(root, 'node_modules')
const stamp = join(modules, '.comanda-installed')
const node = join(modules, '.bin', 'node')

const lock = createHash('sha256')
  .update(readFileSync(join(root, 'package-lock.json')))
  .digest('hex')
const isInstalled = existsSync(node) && existsSync(stamp) && readFileSync(stamp, 'utf8') === lock

if (!isInstalled) {
  process.stderr.write('Installing what Comanda needs (once, a minute or so) …\n')
  const { status } = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: root, stdio: ['ignore', 2, 2] })
  if (status !== 0 || !existsSync(node)) {
    process.stderr.write(
      'The installation failed; the lines above say why. It needs the npm registry once; after that all works offline.\n',
    )
    process.exit(1)
  }
  writeFileSync(stamp, lock)
}

const [, , program, ...args] = process.argv
const path = `${join(modules, '.bin')}:${process.env.PATH ?? ''}`
// The CLI is run where the user stands (its file arguments are relative to that); tools run in the project.
const cwd = program === 'src/cli/main.ts' ? process.cwd() : root
const file = existsSync(join(root, program)) ? join(root, program) : join(modules, program)
const child = spawn(node, [file, ...args], { cwd, stdio: 'inherit', env: { ...process.env, PATH: path } })
// The terminal sends its signals to the child too; what only we get is passed on.
process.on('SIGINT', () => {})
process.on('SIGTERM', () => child.kill('SIGTERM'))
child.once('exit', (code, signal) => process.exit(signal ? 128 + (signal === 'SIGINT' ? 2 : 15) : (code ?? 1)))
