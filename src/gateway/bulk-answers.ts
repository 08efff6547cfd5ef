/**
 * Answers to a stream of questions, each when it comes and not in the order asked, in chunks of what came together. At most `inHand` are in work or wait
 * to be read; then no further question is read. When the reader leaves, reading ends; what is in hand is finished.
 * @param answer never throws; undefined: no answer to this one.
 */
export async function* answersAsTheyCome<Q>(
  questions: AsyncIterable<Q>,
  { inHand, answer }: { inHand: number; answer(question: Q): Promise<string | undefined> },
): AsyncGenerator<string> {
  let ready: string[] = []
  let open = 0
  let hasEnded = false
  let failure: unknown
  let wakeWriter = () => {}
  let wakeReader = () => {}

  const take = async (question: Q) => {
    const text = await answer(question)
    open--
    if (text !== undefined) ready.push(text)
    wakeWriter()
    wakeReader()
  }
  const read = async () => {
    for await (const question of questions) {
      open++
      void take(question)
      while (open + ready.length >= inHand && !hasEnded) {
        await new Promise<void>((resolve) => {
          wakeReader = resolve
        })
      }
      if (hasEnded) return
    }
  }
  void read()
    .catch((error: unknown) => {
      failure = error
    })
    .finally(() => {
      hasEnded = true
      wakeWriter()
    })

  try {
    while (!hasEnded || open > 0 || ready.length > 0) {
      if (ready.length === 0) {
        await new Promise<void>((resolve) => {
          wakeWriter = resolve
        })
        continue
      }
      const chunk = ready.join('')
      ready = []
      wakeReader()
      yield chunk
    }
    if (failure) throw failure
  } finally {
    hasEnded = true
    wakeReader()
  }
}
