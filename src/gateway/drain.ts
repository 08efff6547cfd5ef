/**
 * A gateway that is about to stop: it is not ready, so that nobody sends anything new, and closes each connection with the next answer on it, so that
 * nobody sends on one that is just being closed.
 */
export type Drain = { begin(): void; hasBegun(): boolean }

export function openDrain(): Drain {
  let begun = false
  return {
    begin() {
      begun = true
    },
    hasBegun: () => begun,
  }
}
