const MOST_SECONDS = 30

/** How long the client wants to wait for the end, in ms (RFC 7240): `Prefer: wait=10`, or `respond-async` for not at all. Anything else is ignored, as the RFC asks. */
export function waitFrom(prefer: string | string[] | undefined, otherwiseMs: number): number {
  const preferences = [prefer ?? []].flat().join(',').split(/[,;]/).map((part) => part.trim().toLowerCase())
  if (preferences.includes('respond-async')) return 0
  const seconds = preferences.map((part) => /^wait=(\d{1,3})$/.exec(part)?.[1]).find((found) => found !== undefined)
  return seconds === undefined ? otherwiseMs : Math.min(Number(seconds), MOST_SECONDS) * 1_000
}
