/**
 * How often each digest came before, in 12 bytes an entry: a Map would need ten times that, and files have millions of lines.
 * Only the first 64 bits are looked at. Two that are equal by chance (1 in 36 million for a million lines) count as one.
 */
export class Occurrences {
  #digests = new BigUint64Array(1024)
  #counts = new Uint32Array(1024)
  #used = 0

  /** 0 the first time, then 1, 2, … */
  countBefore(digest: Buffer): number {
    if (this.#used * 2 >= this.#counts.length) this.#grow()
    const slot = this.#slotOf(digest.readBigUInt64LE(0))
    const before = this.#counts[slot] as number
    if (before === 0) this.#used++
    this.#digests[slot] = digest.readBigUInt64LE(0)
    this.#counts[slot] = before + 1
    return before
  }

  #slotOf(digest: bigint): number {
    const mask = this.#counts.length - 1
    let slot = Number(digest & 0xffff_ffffn) & mask
    while (this.#counts[slot] !== 0 && this.#digests[slot] !== digest) slot = (slot + 1) & mask
    return slot
  }

  #grow(): void {
    const [digests, counts] = [this.#digests, this.#counts]
    this.#digests = new BigUint64Array(digests.length * 2)
    this.#counts = new Uint32Array(counts.length * 2)
    digests.forEach((digest, i) => {
      const count = counts[i] as number
      if (count === 0) return
      const slot = this.#slotOf(digest)
      this.#digests[slot] = digest
      this.#counts[slot] = count
    })
  }
}
