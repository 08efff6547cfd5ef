/** The number given as --name, or `fallback`. */
export function option(name: string, fallback: number): number {
  const at = process.argv.indexOf(`--${name}`)
  return at < 0 ? fallback : Number(process.argv[at + 1])
}

/** Whether --name is given. */
export const flag = (name: string): boolean => process.argv.includes(`--${name}`)

/** The text given as --name, or ''. */
export function text(name: string): string {
  const at = process.argv.indexOf(`--${name}`)
  return at < 0 ? '' : (process.argv[at + 1] ?? '')
}
