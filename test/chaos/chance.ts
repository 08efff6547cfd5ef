import { createHash } from 'node:crypto'

/** Chance that repeats. Each concern draws from a stream of its own, so that one draw more here shifts nothing there. */
export type Chance = {
  /** From 0 to below 1. */
  number(): number
  between(low: number, high: number): number
  /** A whole number from `low` to `high`, both included. */
  whole(low: number, high: number): number
  happens(probability: number): boolean
  pick<T>(list: readonly T[]): T
  /** One of the keys, as often as their weights say. */
  weighted<K extends string>(weights: Readonly<Record<K, number>>): K
}

export function chance(seed: number, concern: string): Chance {
  const number = sfc32(createHash('sha256').update(`${seed} ${concern}`).digest())
  const between = (low: number, high: number) => low + number() * (high - low)
  return {
    number,
    between,
    whole: (low, high) => low + Math.floor(number() * (high - low + 1)),
    happens: (probability) => number() < probability,
    pick<T>(list: readonly T[]): T {
      if (list.length === 0) throw new Error('there is nothing to pick from')
      return list[Math.floor(number() * list.length)] as T
    },
    weighted<K extends string>(weights: Readonly<Record<K, number>>): K {
      const entries = Object.entries(weights) as [K, number][]
      let left = number() * entries.reduce((sum, [, weight]) => sum + weight, 0)
      for (const [key, weight] of entries) {
        left -= weight
        if (left < 0) return key
      }
      throw new Error('there are no weights')
    },
  }
}

/** Chris Doty-Humphrey's Small Fast Counter, 32 bits (PractRand). */
function sfc32(seed: Buffer): () => number {
  let [a, b, c, d] = [seed.readUInt32LE(0), seed.readUInt32LE(4), seed.readUInt32LE(8), seed.readUInt32LE(12)]
  return () => {
    const t = (((a + b) | 0) + d) | 0
    d = (d + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = ((c << 21) | (c >>> 11)) + t
    return (t >>> 0) / 4_294_967_296
  }
}
