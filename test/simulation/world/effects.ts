/** What processes did to the world, numbered from 1, so that a process can be made to die at any of it. */

const OFTEN_ENOUGH = 2

export class Effects {
  readonly labels: string[] = []
  /**
   * Numbers of those at which nobody needs to die: a look that found no work, and what has been done in the same words, after the same, twice before
   * (asking a provider until it knows, say).
   */
  readonly leftOut = new Set<number>()
  /** Hears of each just before it. */
  onEffect: ((label: string) => void) | undefined
  readonly #last = new Map<string, string>()
  readonly #times = new Map<string, number>()

  get count(): number {
    return this.labels.length
  }

  note(processName: string, label: string): void {
    this.labels.push(`${processName} ${label}`)
    const role = processName.replace(/-\d+$/, '')
    const words = label.replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}/g, '')
    const inPlace = `${role} ${this.#last.get(processName)} > ${words}`
    this.#last.set(processName, words)
    const times = (this.#times.get(inPlace) ?? 0) + 1
    this.#times.set(inPlace, times)
    if (times > OFTEN_ENOUGH) this.leftOut.add(this.count)
    this.onEffect?.(label)
  }

  /** Somebody died: what is done from now on may be the same, but for another reason. */
  beginAgain(): void {
    this.#times.clear()
    this.#last.clear()
  }
}
