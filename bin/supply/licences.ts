import type { Locked } from './lock-file.ts'

/** Licences that ask for no more than to be named. */
const PERMISSIVE = ['MIT', 'ISC', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', '0BSD', 'BlueOak-1.0.0', 'Zlib', 'Unlicense']

type Exception = { packages: RegExp; licence: string; reason: string }

/** What else is let in, and why. */
export const EXCEPTIONS: readonly Exception[] = [
  {
    packages: /^lightningcss(-[\w-]+)?$/,
    licence: 'MPL-2.0',
    reason: 'comes with vitest, is used as it is and never given away: the MPL asks for the source of changed files only',
  },
  {
    packages: /^argparse$/,
    licence: 'Python-2.0',
    reason: 'comes with dclint, which checks compose files in the tests of deploy/aws; the licence is permissive, its name merely old',
  },
]

/** Whether an SPDX expression can be met with permissive licences alone: of `OR` one is enough, of `AND` all are needed. */
export function isPermissive(expression: string): boolean {
  const words = expression.match(/[()]|[^\s()]+/g) ?? []
  const either = (): boolean => {
    let holds = both()
    while (words[0] === 'OR' && words.shift()) holds = both() || holds
    return holds
  }
  const both = (): boolean => {
    let holds = one()
    while (words[0] === 'AND' && words.shift()) holds = one() && holds
    return holds
  }
  const one = (): boolean => {
    const word = words.shift() ?? ''
    if (word !== '(') return PERMISSIVE.includes(word)
    const holds = either()
    return words.shift() === ')' && holds
  }
  return either() && words.length === 0
}

/** Packages whose licence asks for more than to be named, or that have none, and are no exception. */
export const problemsOfLicences = (packages: readonly Locked[]): string[] =>
  packages
    .filter(({ licence = '' }) => !isPermissive(licence))
    .filter((one) => !exceptionOf(one))
    .map(({ path, licence }) => `${path}: ${licence ?? 'no licence'}`)

/** Only for development: what goes into the image has no exceptions. */
export const exceptionOf = ({ name, licence, isDev }: Locked): Exception | undefined =>
  isDev ? EXCEPTIONS.find((one) => one.packages.test(name) && one.licence === licence) : undefined
