import { SETTINGS, type Setting } from '../../src/platform/settings.ts'
import { between, type Page, table } from './page.ts'

const row = ([name, { kind, for: who, default: value, meaning }]: [string, Setting]) => [
  `\`${name}\``,
  kind,
  value === '' ? '' : `\`${value}\``,
  who.startsWith('comanda') ? `\`${who}\`` : who,
  meaning,
]

export const configuration: Page = {
  path: 'docs/CONFIGURATION.md',
  render: (now) =>
    between(
      now,
      'settings',
      table(['setting', 'kind', 'default', 'for', 'meaning'], (Object.entries(SETTINGS) as [string, Setting][]).map(row)),
    ),
}
