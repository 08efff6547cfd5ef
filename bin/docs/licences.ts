import { readFileSync } from 'node:fs'
import { EXCEPTIONS } from '../supply/licences.ts'
import { FOLDERS, type Locked, lockedIn } from '../supply/lock-file.ts'
import { type Page, table } from './page.ts'

const REASONS = 'docs/decisions/0008-runtime-dependencies.md'

/** By package, from the table of decision 0008, in which a row may be about several. */
export function reasons(text: string): Map<string, string> {
  const rows = text.split('\n').filter((line) => line.startsWith('| `'))
  return new Map(
    rows.flatMap((row) => {
      const [, names = '', reason = ''] = row.split('|').map((cell) => cell.trim())
      return [...names.matchAll(/`([^`]+)`/g)].map(([, name = '']): [string, string] => [name, reason])
    }),
  )
}

const count = (packages: readonly Locked[]) =>
  [...Map.groupBy(packages, ({ licence = 'none' }) => licence)]
    .sort(([a, some], [b, others]) => others.length - some.length || a.localeCompare(b))
    .map(([licence, some]) => [licence, String(some.length)])

function render(): string {
  const [ours, aws] = FOLDERS.map(lockedIn) as [Locked[], Locked[]]
  const why = reasons(readFileSync(REASONS, 'utf8'))
  const { dependencies } = JSON.parse(readFileSync('package.json', 'utf8')) as { dependencies: Record<string, string> }
  const direct = Object.keys(dependencies).map((name) => {
    const { version = '', licence = '' } = ours.find(({ path }) => path === `node_modules/${name}`) ?? {}
    return [`\`${name}\``, version, licence, why.get(name) ?? '']
  })
  const runtime = ours.filter(({ isDev }) => !isDev)
  return `# Licences

Comanda is under the MIT licence. What it is made of, from the lock files by \`npm run docs\`; a test refuses a licence that asks for more than to be named. The whole list of parts, with
hashes, is written by \`npm run sbom\` (CycloneDX). The texts of the licences lie in the packages, in \`node_modules\` and in the image.

## What runs

${table(['package', 'version', 'licence', 'why'], direct)}

With what these bring along, ${runtime.length} packages:

${table(['licence', 'packages'], count(runtime))}

## What builds and tests it

${table(['licence', 'packages'], count(ours.filter(({ isDev }) => isDev)))}

And in \`deploy/aws\`, which is a package of its own and is never given away either:

${table(['licence', 'packages'], count(aws))}

## Exceptions

Only for what builds and tests:

${EXCEPTIONS.map(({ packages, licence, reason }) => `- ${[...new Set([...ours, ...aws].map(({ name }) => name))].find((name) => packages.test(name))}: ${licence}; ${reason}`).join('\n')}
`
}

export const licences: Page = { path: 'docs/LICENCES.md', render }
