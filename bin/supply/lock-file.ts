import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** A package as the lock file pins it. */
export type Locked = {
  name: string
  version: string
  /** SPDX, as its author says; undefined: says nothing. */
  licence: string | undefined
  /** Only for those who build and test. */
  isDev: boolean
  /** Comes inside another package, whose hash holds it too. */
  isBundled: boolean
  /** Hash of what the registry gives. */
  integrity: string | undefined
  /** Where it comes from; undefined: from whatever registry npm is set up for. */
  from: string | undefined
  /** Where it lies, such as `node_modules/pg`. */
  path: string
}

type Entry = { name?: string; version?: string; license?: string; integrity?: string; resolved?: string } & {
  dev?: boolean
  devOptional?: boolean
  inBundle?: boolean
}

/** Our packages: each has its own lock file. */
export const FOLDERS = ['.', 'deploy/aws'] as const

/** Every package that the lock file in this folder pins, by path. */
export function lockedIn(folder: string): Locked[] {
  const { packages } = JSON.parse(readFileSync(join(folder, 'package-lock.json'), 'utf8')) as { packages: Record<string, Entry> }
  return Object.entries(packages)
    .filter(([path]) => path !== '')
    .map(([path, entry]) => ({
      name: entry.name ?? path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length),
      version: entry.version ?? '',
      licence: entry.license,
      isDev: entry.dev === true || entry.devOptional === true,
      isBundled: entry.inBundle === true,
      integrity: entry.integrity,
      from: entry.resolved,
      path,
    }))
}

/**
 * What is wrong with a lock file: a package without a hash, or bound to a place. The hash says what it is, and npm's own settings where it is fetched from
 * (`npm install --omit-lockfile-registry-resolved` writes none).
 */
export const problemsOfLock = (packages: readonly Locked[]): string[] =>
  packages.flatMap(({ path, version, integrity, isBundled, from }) => [
    ...(version === '' ? [`${path} has no version`] : []),
    ...(isBundled || /^sha512-[\w+/]{86}==$/.test(integrity ?? '') ? [] : [`${path} has no sha512`]),
    ...(from === undefined ? [] : [`${path} comes from ${from}`]),
  ])
