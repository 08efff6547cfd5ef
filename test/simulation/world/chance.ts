/** Seeded chance. One stream per concern and name, so that a draw more in one place shifts no other. */
export class Chance {
  readonly #seed: string
  #a: number
  #b: number
  #c: number
  #d: number

  constructor(seed: string) {
    this.#seed = seed
    ;[this.#a, this.#b, this.#c, this.#d] = cyrb128(seed)
    for (let i = 0; i < 12; i++) this.next()
  }

  /** Another stream, independent of how much was drawn from this one. */
  split(name: string): Chance {
    return new Chance(`${this.#seed}/${name}`)
  }

  /** 32 bits: sfc32 of PractRand, by Chris Doty-Humphrey. */
  uint32(): number {
    const t = (this.#a + this.#b + this.#d) | 0
    this.#d = (this.#d + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = (this.#c << 21) | (this.#c >>> 11)
    this.#c = (this.#c + t) | 0
    return t >>> 0
  }

  /** From 0 up to, not including, 1. */
  next(): number {
    return this.uint32() / 4_294_967_296
  }

  /** True with this probability. Always draws, so that streams stay alike whatever the rate is. */
  hits(probability: number): boolean {
    return this.next() < probability
  }

  between(low: number, high: number): number {
    return low + this.next() * (high - low)
  }

  /** A whole number from low to high, both included. */
  int(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low + 1))
  }

  pick<T>(list: readonly T[]): T {
    return list[Math.floor(this.next() * list.length)] as T
  }

  /** Picks by weight. */
  weighted<K extends string>(weights: Record<K, number>): K {
    const entries = Object.entries(weights) as [K, number][]
    let left = this.next() * entries.reduce((sum, [, weight]) => sum + weight, 0)
    for (const [key, weight] of entries) {
      left -= weight
      if (left < 0) return key
    }
    return (entries.at(-1) as [K, number])[0]
  }

  /** Waiting time to the next of events that come at random, `mean` apart. */
  exponential(mean: number): number {
    return -Math.log(1 - this.next()) * mean
  }
}

/** Four 32-bit words from a text (cyrb128, public domain, by bryc). */
function cyrb128(text: string): [number, number, number, number] {
  let [h1, h2, h3, h4] = [1_779_033_703, 3_144_134_277, 1_013_904_242, 2_773_480_762]
  for (let i = 0; i < text.length; i++) {
    const k = text.charCodeAt(i)
    h1 = h2 ^ Math.imul(h1 ^ k, 597_399_067)
    h2 = h3 ^ Math.imul(h2 ^ k, 2_869_860_233)
    h3 = h4 ^ Math.imul(h3 ^ k, 951_274_213)
    h4 = h1 ^ Math.imul(h4 ^ k, 2_716_044_179)
  }
  h1 = Math.imul(h3 ^ (h1 >>> 18), 597_399_067)
  h2 = Math.imul(h4 ^ (h2 >>> 22), 2_869_860_233)
  h3 = Math.imul(h1 ^ (h3 >>> 17), 951_274_213)
  h4 = Math.imul(h2 ^ (h4 >>> 19), 2_716_044_179)
  h1 ^= h2 ^ h3 ^ h4
  return [h1 >>> 0, (h2 ^ h1) >>> 0, (h3 ^ h1) >>> 0, (h4 ^ h1) >>> 0]
}
