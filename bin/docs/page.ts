/** A page, or a part of one between two marks, that the code makes. `npm run docs` writes it, `npm run check` refuses a stale one. */
export type Page = { path: string /** From the page as it is to the page as it should be. */; render(now: string): string }

/** The rows of a table in Markdown. A bar in a cell would end it. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`.replace(/ {2,}\|/g, '  |')
  return [line(head), `|${head.map(() => '---|').join('')}`, ...rows.map(line)].join('\n')
}

/** What stands between `<!-- name -->` and `<!-- /name -->`, made anew. @throws when the marks are missing. */
export function between(page: string, name: string, content: string): string {
  const [from, to] = [`<!-- ${name} -->\n`, `\n<!-- /${name} -->`]
  const [start, end] = [page.indexOf(from), page.indexOf(to)]
  if (start < 0 || end < start) throw new Error(`the marks <!-- ${name} --> and <!-- /${name} --> are missing`)
  return page.slice(0, start + from.length) + content + page.slice(end)
}
