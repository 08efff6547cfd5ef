import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { SETTINGS, type Setting } from '../../src/platform/config.ts'

const row = ([name, { kind, default: value, meaning }]: [string, Setting]) =>
  `| \`${name}\` | ${kind} | ${value === '' ? '' : `\`${value}\``} | ${meaning} |`

it('docs/CONFIGURATION.md has exactly the settings that the code reads', () => {
  const rows = readFileSync('docs/CONFIGURATION.md', 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('| `'))
  expect(rows).toEqual((Object.entries(SETTINGS) as [string, Setting][]).map(row))
})

it('every command and script that the READMEs name exists', () => {
  const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: Record<string, string> }
  for (const file of ['README.md', 'README.es.md', 'CONTRIBUTING.md']) {
    const text = readFileSync(file, 'utf8')
    for (const [, name = ''] of text.matchAll(/npm run ([a-z]+)/g)) expect(Object.keys(scripts), `${file}: npm run ${name}`).toContain(name)
    for (const [, path = ''] of text.matchAll(/\]\(([^)#:]+)\)/g))
      expect(() => readFileSync(path), `${file} → ${path}`).not.toThrow(/ENOENT/)
  }
})
