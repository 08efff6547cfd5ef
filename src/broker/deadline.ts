/** Waiting that ends. */

/** @throws when `promise` has not settled after `ms`, saying that `who` did not answer. */
export async function within<T>(ms: number, promise: Promise<T>, who: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`${who} did not answer within ${ms / 1_000} s`)), ms)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

/** Resolves when `promise` settles, or after `ms`; never rejects. */
export async function atMost(ms: number, promise: Promise<unknown>): Promise<void> {
  await within(ms, promise, 'nobody').catch(() => {})
}
