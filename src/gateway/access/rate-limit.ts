/**
 * A bucket of tokens for each key or address: `perSecond` flow in, ten seconds' worth fit, each request takes one. Not @fastify/rate-limit: that counts requests,
 * and one request in bulk can bring a million orders.
 */
export type RateLimit = {
  /** Takes a token. @returns 0, or in how many whole seconds there is one again. */
  take(who: string): number
}

type Bucket = { tokens: number; at: number }

const BURST_SECONDS = 10
/** Of a generation; two are kept. An attacker with more addresses than that gains a burst for each. */
const MOST_BUCKETS = 20_000

export function rateLimit({ perSecond, now = () => performance.now() }: { perSecond: number; now?: () => number }): RateLimit {
  const full = perSecond * BURST_SECONDS
  const level = ({ tokens, at }: Bucket) => Math.min(full, tokens + ((now() - at) / 1_000) * perSecond)
  // Who is not used for a whole generation is forgotten: no search for whom to forget, which would be the attack itself.
  let [young, old] = [new Map<string, Bucket>(), new Map<string, Bucket>()]
  return {
    take(who) {
      const bucket = young.get(who) ?? old.get(who)
      const tokens = bucket ? level(bucket) : full
      if (tokens < 1) return Math.max(1, Math.ceil((1 - tokens) / perSecond))
      if (young.size >= MOST_BUCKETS) [young, old] = [new Map(), young]
      young.set(who, { tokens: tokens - 1, at: now() })
      return 0
    },
  }
}
