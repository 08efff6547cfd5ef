import type { Api } from './api.ts'

/** The gateway gives 200 at most. */
const PAGE = 200

/** Up to `limit` rows of a list of the gateway, over as many pages as it takes. */
export async function readPages<T>(
  api: Api,
  {
    path,
    rows,
    cursor,
    limit,
    filters,
  }: { path: string; rows: string; cursor: string; limit: number; filters: Record<string, string | undefined> },
): Promise<T[]> {
  const asked = new URLSearchParams()
  for (const [name, value] of Object.entries(filters)) if (value !== undefined) asked.set(name, value)
  const found: T[] = []
  while (found.length < limit) {
    asked.set('limit', String(Math.min(PAGE, limit - found.length)))
    const page = await api.get<{ next: string | null } & Record<string, T[]>>(`${path}?${asked}`)
    found.push(...(page[rows] as T[]))
    if (page.next === null) break
    asked.set(cursor, page.next)
  }
  return found
}
