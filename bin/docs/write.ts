import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { configuration } from './configuration.ts'
import { licences } from './licences.ts'
import type { Page } from './page.ts'

/** `npm run docs`: writes what the code makes of the docs. With `--check` it only looks, and ends with 1 when a page is stale. */

export const PAGES: readonly Page[] = [configuration, licences]

export function stalePages(pages: readonly Page[]): { path: string; fresh: string }[] {
  return pages.flatMap(({ path, render }) => {
    const now = existsSync(path) ? readFileSync(path, 'utf8') : ''
    const fresh = render(now)
    return fresh === now ? [] : [{ path, fresh }]
  })
}

if (import.meta.main) {
  const stale = stalePages(PAGES)
  const looksOnly = process.argv.includes('--check')
  for (const { path, fresh } of stale) {
    if (!looksOnly) writeFileSync(path, fresh)
    process.stdout.write(looksOnly ? `${path} is stale: npm run docs\n` : `${path} written\n`)
  }
  if (looksOnly && stale.length > 0) process.exitCode = 1
}
