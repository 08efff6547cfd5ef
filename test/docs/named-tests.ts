/** How pages name the tests that prove what they say. */

/** `test/…ts`: "a part of the name", as often as it comes; a name may hold quotes itself, so it ends where the next test or the cell does. */
export const testsIn = (proof: string) =>
  [...proof.matchAll(/`(test\/[^`]+\.ts)`: "(.+?)"(?=; `|\. Not covered yet|$)/g)].map(([, file = '', name = '']) => ({ file, name }))

/** Whether one of the tests or groups of this file has a name with this part in it: a string right after `it(`, `describe(` or the rows of an `each`. */
export function isNameOfATest(source: string, part: string): boolean {
  const titles = source.matchAll(/(?:\b(?:it|describe)(?:\.concurrent)?\(|\)\()\s*(['"`])((?:(?!\1)[^\\\n]|\\.)+)\1,/g)
  return [...titles].some(([, , title = '']) => title.includes(part))
}
