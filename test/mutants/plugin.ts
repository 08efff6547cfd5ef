import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Plugin } from 'vitest/config'
import { MUTANTS, type Mutant } from './mutants.ts'

/** Plants the mutant named in COMANDA_MUTANT into the sources as the tests load them; the files stay as they are. */
export function mutantPlugin(root: string): Plugin[] {
  const name = process.env.COMANDA_MUTANT
  if (!name) return []
  const mutant = MUTANTS.find((one) => one.name === name)
  if (!mutant) throw new Error(`there is no mutant "${name}"`)
  const target = join(root, mutant.file)
  return [
    {
      name: 'mutant',
      enforce: 'pre',
      load: (id) => (id.split('?')[0] === target ? planted(mutant, readFileSync(target, 'utf8')) : null),
    },
  ]
}

/** @throws when the place is not there any more, or is not the only one: a mutant must never be a bug that was not planted. */
export function planted({ name, file, find, replace }: Mutant, source: string): string {
  const places = source.split(find).length - 1
  if (places !== 1) throw new Error(`mutant "${name}": its place is ${places} times in ${file}, and must be once`)
  return source.replace(find, () => replace)
}
