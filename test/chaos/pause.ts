/** Lets time pass: here, and only here, waiting is what is meant. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
