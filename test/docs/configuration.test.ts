import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { between, table } from '../../bin/docs/page.ts'
import { PAGES, stalePages } from '../../bin/docs/write.ts'
import { SERVICES } from '../../src/platform/config.ts'
import { SETTINGS } from '../../src/platform/settings.ts'

describe('the pages that the code makes', () => {
  it('docs/CONFIGURATION.md has exactly the settings that the code reads', () => {
    const rows = readFileSync('docs/CONFIGURATION.md', 'utf8')
      .split('\n')
      .filter((line) => line.startsWith('| `'))
    expect(rows.map((row) => row.split('`')[1])).toEqual(Object.keys(SETTINGS))
  })

  it.each(PAGES.map(({ path }) => path))('%s is fresh, or `npm run docs` was forgotten', (path) => {
    expect(stalePages(PAGES).map((page) => page.path)).not.toContain(path)
  })

  it('is found stale when a row has changed, and what stands around the table is kept', () => {
    const page = { path: 'docs/CONFIGURATION.md', render: (now: string) => between(now, 'settings', table(['setting'], [['`A|B`']])) }
    const [stale] = stalePages([page])
    expect(stale?.fresh).toContain('<!-- settings -->\n| setting |\n|---|\n| `A\\|B` |\n<!-- /settings -->')
    expect(stale?.fresh).toContain('## Databases of your own')
    expect(() => between('no marks', 'settings', '')).toThrow('<!-- settings -->')
  })
})

it.each(Object.entries(SETTINGS))('%s says for which services it is', (_name, { for: who }) => {
  const known = ['all', 'services', 'comanda migrate', 'comanda retention', ...SERVICES]
  expect(who.split(', ').filter((one) => !known.includes(one))).toEqual([])
})

it.each([
  ['the system', 2, ['src/cli/main.ts', 'serve', 'all']],
  ['a service alone', 1, ['src/main.ts', 'serve', 'payment']],
  ['a command', 2, ['src/cli/main.ts', 'migrate', '--check']],
])(
  'a start of %s with wrong settings ends at once, with the whole list of what is wrong',
  (_what, code, program) => {
    const env = { ...process.env, GATEWAY_PORT: '99999', LEASE_MS: 'soon', ORDERS_DATABASE_URL: 'mysql://user:hunter2@db/orders' }
    const { status, stdout, stderr } = spawnSync(process.execPath, program, { env, encoding: 'utf8', timeout: 120_000 })
    expect(status).toBe(code)
    const said = stdout + stderr
    expect(said).toContain('GATEWAY_PORT is "99999", but must be a port from 1 to 65535')
    expect(said).toContain('LEASE_MS is "soon", but must be a whole number above 0')
    expect(said).toContain('ORDERS_DATABASE_URL must be a URL that starts with postgres://')
    expect(said).not.toContain('hunter2')
  },
  130_000,
)

it('every command and script that the READMEs name exists', () => {
  const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: Record<string, string> }
  for (const file of ['README.md', 'README.es.md', 'CONTRIBUTING.md']) {
    const text = readFileSync(file, 'utf8')
    for (const [, name = ''] of text.matchAll(/npm run ([a-z]+)/g)) expect(Object.keys(scripts), `${file}: npm run ${name}`).toContain(name)
    for (const [, path = ''] of text.matchAll(/\]\(([^)#:]+)\)/g))
      expect(() => readFileSync(path), `${file} → ${path}`).not.toThrow(/ENOENT/)
  }
})
