import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'

/** The compose file against the compose specification's own schema: the tool for it stays out of the main install. */

const compose = readFileSync(new URL('../../compose.yaml', import.meta.url), 'utf8')
const TOOL = new URL('../node_modules/dclint/bin/dclint.cjs', import.meta.url).pathname

function errorsIn(text: string): { ended: number | null; errors: string[] } {
  const file = join(mkdtempSync(join(tmpdir(), 'comanda-compose-')), 'compose.yaml')
  writeFileSync(file, text)
  const { status, stdout } = spawnSync(process.execPath, [TOOL, file, '--formatter', 'json'], { encoding: 'utf8' })
  const [{ messages }] = JSON.parse(stdout) as [{ messages: { type: string; message: string }[] }]
  return { ended: status, errors: messages.filter(({ type }) => type === 'error').map(({ message }) => message) }
}

describe('compose.yaml', () => {
  it('is what the compose specification allows', () => {
    expect(errorsIn(compose)).toEqual({ ended: 0, errors: [] })
  })

  it('would be found out with a word that the specification does not know', () => {
    expect(errorsIn(compose.replace('read_only:', 'read_onyl:')).errors).not.toEqual([])
  })
})
