/**
 * Runs a program of this project with the right Node, on any machine with Node 20 and npm: installs what is missing first.
 * Plain JavaScript, because it has to run before anything is installed. Usage: node bin/bootstrap.mjs <file> [arguments]
 */
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const modules = join(root, 'node_modules')
const stamp = join(modules, '.comanda-installed')
const node = join(modules, '.bin', 'node')

const lock = readFileSync(join(root, 'package-lock.json'), 'utf8')
const hash = createHash('sha256').update(lock).digest('hex')

/** Installed by us (the stamp says so), or by the user's own `npm install`: npm's list of what it installed agrees with the lock file. */
function isInstalled() {
  if (!existsSync(node)) return false
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === hash) return true
  const list = join(modules, '.package-lock.json')
  if (!existsSync(list)) return false
  const wanted = Object.entries(JSON.parse(lock).packages).filter(([path]) => path !== '')
  const installed = JSON.parse(readFileSync(list, 'utf8')).packages
  const agrees = wanted.every(([path, { version, optional }]) => (installed[path] ? installed[path].version === version : optional))
  // npm 11 and later runs install scripts only when they are approved: without them this is no program.
  return agrees && spawnSync(node, ['--version']).status === 0
}

if (!isInstalled()) {
  process.stderr.write('Installing what Comanda needs (once, a minute or so) …\n')
  const npm = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: root, stdio: ['ignore', 2, 2] })
  if (npm.status !== 0 || spawnSync(node, ['--version']).status !== 0) {
    if (npm.error) process.stderr.write(`npm could not be run: ${npm.error.message}\n`)
    process.stderr.write(
      'The installation failed; the lines above say why. It needs the npm registry once; after that all works offline.\n',
    )
    process.exit(1)
  }
  writeFileSync(stamp, hash)
}

const [, , program, ...args] = process.argv
const path = `${join(modules, '.bin')}${delimiter}${process.env.PATH ?? ''}`
// The command line is run where the user stands (its file arguments are relative to that); tools run in the project.
const cwd = program === 'src/cli/main.ts' ? process.cwd() : root
const file = existsSync(join(root, program)) ? join(root, program) : join(modules, program)
const child = spawn(node, [file, ...args], { cwd, stdio: 'inherit', env: { ...process.env, PATH: path } })
child.once('error', (error) => {
  process.stderr.write(`${node} could not be run: ${error.message}\n`)
  process.exit(1)
})
// At a terminal Ctrl-C reaches the child by itself; without one, what we get is passed on.
process.on('SIGINT', () => process.stdin.isTTY || child.kill('SIGINT'))
for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
child.once('exit', (code, signal) => process.exit(signal ? 128 + constants.signals[signal] : (code ?? 1)))
