/** Waits for a condition, looking every 50 ms; the one place in the tests that lets time pass. @throws after `seconds`, naming what was waited for. */
export async function until<T>(what: string, look: () => Promise<T | undefined | false> | T | undefined | false, seconds = 30): Promise<T> {
  const deadline = performance.now() + seconds * 1_000
  for (;;) {
    const found = await look()
    if (found) return found
    if (performance.now() > deadline) throw new Error(`waited ${seconds} s for ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}
