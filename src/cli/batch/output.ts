import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { Failure } from '../failure.ts'
import type { Result } from './result.ts'

export type Output = { write(result: Result): Promise<void>; close(): Promise<void> }

/** The file of results, one JSON line each; without a path nothing is written. */
export async function openOutput(path: string | undefined): Promise<Output> {
  if (path === undefined) return { write: async () => {}, close: async () => {} }
  const stream = createWriteStream(path)
  let failure: Error | undefined
  // One for all that wait: a listener each would be thousands.
  let drained: Promise<unknown> | undefined
  await once(stream, 'open').catch((error: Error) => {
    throw new Failure(`${path} can't be written: ${error.message}`)
  })
  stream.on('error', (error) => {
    failure = error
  })
  const check = () => {
    if (failure) throw new Failure(`${path} can't be written any more: ${failure.message}`)
  }
  return {
    async write(result) {
      check()
      const line = `${JSON.stringify(result)}\n`
      if (stream.write(line)) return
      drained ??= once(stream, 'drain').catch(() => undefined)
      await drained
      drained = undefined
    },
    async close() {
      stream.end()
      if (!stream.closed) await once(stream, 'close')
      check()
    },
  }
}
