/** `npm run check`: types, lint and format, contracts, and that what is generated is fresh: code and docs. All are run, whatever fails. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const fresh = mkdtempSync(join(tmpdir(), 'comanda-gen-'))
const template = JSON.stringify(JSON.parse(readFileSync('proto/buf.gen.json', 'utf8'))).replaceAll(
  '"src/gen"',
  JSON.stringify(join(fresh, 'gen')),
)
const checks = [
  { name: 'types', run: ['tsc', '-p', '.'] },
  { name: 'lint and format', run: ['biome', 'check', '.'] },
  { name: 'docs made from the code are fresh (else: npm run docs)', run: ['node', 'bin/docs/write.ts', '--check'] },
  { name: 'contracts', run: ['buf', 'lint', 'proto'] },
  { name: 'code generated again', run: ['buf', 'generate', 'proto', '--template', template] },
  { name: 'descriptors generated again', run: ['buf', 'build', 'proto', '-o', join(fresh, 'gen', 'descriptors.binpb')] },
  { name: 'src/gen is fresh (else: npm run generate)', run: ['diff', '-r', join(fresh, 'gen'), 'src/gen'] },
]
const failed = []
for (const {
  name,
  run: [command, ...args],
} of checks) {
  const { status } = spawnSync(command, args, { stdio: 'inherit' })
  console.log(`${status === 0 ? '✓' : '✗'} ${name}`)
  if (status !== 0) failed.push(name)
}
rmSync(fresh, { recursive: true, force: true })
console.log(`${checks.length - failed.length} passed, ${failed.length} failed`)
process.exit(failed.length === 0 ? 0 : 1)
