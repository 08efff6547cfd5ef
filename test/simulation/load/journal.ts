/** What the customers know, written down by themselves: the system's databases are never asked for it. */
/** `status` was read at some moment between the question and the answer. */
export type Seen = { askedAt: number; at: number; status: string }
export type Entry = {
  key: string
  /** Every order id that an answer under this key named. */
  orderIds: Set<string>
  /** It was told "accepted". */
  isAccepted: boolean
  /** It was told that the order is or will be cancelled. */
  isCancelled: boolean
  refusal: string | undefined
  seen: Seen[]
  /** The same key with another body was taken. */
  wrongBodyTaken: boolean
}

export type Journal = {
  entries: Entry[]
  /** Units that came in, by product and location, each receipt once. */
  received: Map<string, number>
  /** What customers or the warehouse saw that can't be. */
  wrong: string[]
}

export const newEntry = (key: string): Entry => ({
  ...{ key, orderIds: new Set<string>(), isAccepted: false, isCancelled: false, refusal: undefined, seen: [], wrongBodyTaken: false },
})
