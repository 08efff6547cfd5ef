import { existsSync, realpathSync } from 'node:fs'
import { mkdir, rename } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { tool } from './tool.ts'

/**
 * Stands in for the official `node:24-bookworm-slim` where no registry can be reached: the same Debian release and user, and the Node that npm
 * brought, put together from Debian's packages.
 */
export const BASE = 'localhost/comanda/node:24-bookworm-slim'
/** Kept between runs: making it takes a minute or two. */
const KEPT = '/var/cache/comanda/bookworm.tar'
const CERTIFICATES = '/etc/ssl/certs/ca-certificates.crt'

export async function ensureBase(): Promise<void> {
  if ((await tool('buildah', ['images', '--quiet', '--filter', `reference=${BASE}`])) !== '') return
  const container = await tool('buildah', ['from', 'scratch'])
  try {
    await tool('buildah', ['add', container, await debian(), '/'], { timeoutMs: 180_000 })
    await tool('buildah', ['copy', container, process.execPath, '/usr/local/bin/node'])
    await tool('buildah', ['copy', container, npmFolder(), '/usr/local/lib/node_modules/npm'])
    // The machine's own certificates: npm in the build may go through a proxy that only they know.
    if (existsSync(CERTIFICATES)) await tool('buildah', ['copy', container, CERTIFICATES, CERTIFICATES])
    const finish = 'ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm && useradd --uid 1000 --create-home node'
    await tool('buildah', ['run', container, '--', 'sh', '-c', finish])
    await tool('buildah', ['config', '--env', `NODE_EXTRA_CA_CERTS=${CERTIFICATES}`, '--cmd', 'node', container])
    await tool('buildah', ['commit', '--format', 'docker', container, BASE], { timeoutMs: 180_000 })
  } finally {
    await tool('buildah', ['rm', container])
  }
}

/** A minimal Debian as a tar. */
async function debian(): Promise<string> {
  if (existsSync(KEPT)) return KEPT
  await mkdir(dirname(KEPT), { recursive: true })
  const half = `${KEPT}.${process.pid}.tar`
  await tool('mmdebstrap', ['--quiet', '--variant=minbase', '--include=ca-certificates,libstdc++6', 'bookworm', half], {
    timeoutMs: 400_000,
  })
  await rename(half, KEPT)
  return KEPT
}

/** The npm of this machine. */
function npmFolder(): string {
  const found = (process.env.PATH ?? '')
    .split(':')
    .map((folder) => join(folder, 'npm'))
    .filter(existsSync)
  const folders = found
    .map((file) => dirname(dirname(realpathSync(file))))
    .filter((folder) => existsSync(join(folder, 'bin', 'npm-cli.js')))
  if (!folders[0]) throw new Error('npm is not on the PATH')
  return folders[0]
}
