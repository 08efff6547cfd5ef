/** The changelog: the newest first, each version under a heading of its own, what is to come under `## Unreleased`. */

const UNRELEASED = '## Unreleased'

/** Moves what is unreleased under the version. @throws when nothing is. */
export function release(changelog: string, { version, date }: { version: string; date: string }): { changelog: string; notes: string } {
  const start = changelog.indexOf(`${UNRELEASED}\n`)
  if (start < 0) throw new Error(`CHANGELOG.md has no heading "${UNRELEASED}"`)
  const body = start + UNRELEASED.length + 1
  const next = changelog.indexOf('\n## ', body)
  const notes = changelog.slice(body, next < 0 ? undefined : next).trim()
  if (!/^- /m.test(notes)) throw new Error(`CHANGELOG.md tells nothing under "${UNRELEASED}": there is nothing to release`)
  const rest = next < 0 ? '' : changelog.slice(next)
  return { notes, changelog: `${changelog.slice(0, start)}${UNRELEASED}\n\n## ${version} (${date})\n\n${notes}\n${rest}` }
}

/** Whether `a` comes after `b`: both are three numbers with dots. */
export function isAfter(a: string, b: string): boolean {
  const [first, second] = [a.split('.').map(Number), b.split('.').map(Number)]
  const i = first.findIndex((part, at) => part !== second[at])
  return i >= 0 && (first[i] ?? 0) > (second[i] ?? 0)
}
