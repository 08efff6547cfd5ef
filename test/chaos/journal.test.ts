import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { temporaryFolder } from '../support/folder.ts'
import { type Entry, journalOn, openJournal, readJournal } from './journal.ts'

const entry = (key: string): Entry => ({ kind: 'not answered', key, why: 'test' })

/** A disk that writes when it is told to. */
function disk() {
  const did: string[] = []
  let synced = Promise.withResolvers<void>()
  return {
    did,
    finishSync: (error?: Error) => {
      const { resolve, reject } = synced
      synced = Promise.withResolvers<void>()
      if (error) reject(error)
      else resolve()
    },
    file: {
      appendFile: async (text: unknown) => void did.push(...[...String(text).matchAll(/"key":"(\w+)"/g)].map(([, key]) => `write ${key}`)),
      datasync: () => {
        did.push('sync')
        return synced.promise
      },
      close: async () => void did.push('close'),
    },
  }
}
const turn = () => new Promise((resolve) => setImmediate(resolve))

describe('the journal', () => {
  it('promises nothing before it is on the disk', async () => {
    const { file, finishSync } = disk()
    let isSafe = false
    const writing = journalOn(file)
      .write(entry('a'))
      .then(() => {
        isSafe = true
      })
    await turn()
    expect(isSafe).toBe(false)
    finishSync()
    await writing
    expect(isSafe).toBe(true)
  })

  it('takes those that come while the disk works together, and only then promises them', async () => {
    const { file, did, finishSync } = disk()
    const journal = journalOn(file)
    const first = journal.write(entry('a'))
    await turn()
    const rest = Promise.all([journal.write(entry('b')), journal.write(entry('c'))])
    finishSync()
    await first
    await turn()
    expect(did).toEqual(['write a', 'sync', 'write b', 'write c', 'sync'])
    finishSync()
    await rest
    const last = journal.write(entry('d'))
    await turn()
    finishSync()
    await last
    await journal.close()
    expect(did.slice(-3)).toEqual(['write d', 'sync', 'close'])
  })

  it('tells a writer when the disk fails', async () => {
    const { file, finishSync } = disk()
    const writing = journalOn(file).write(entry('a'))
    await turn()
    finishSync(new Error('the disk is full'))
    await expect(writing).rejects.toThrow('the disk is full')
  })

  it('is read back in order, without a last line that was cut off', async () => {
    const path = join(temporaryFolder('journal'), 'journal.ndjson')
    const journal = await openJournal(path)
    await Promise.all([journal.write(entry('a')), journal.write(entry('b'))])
    await journal.close()
    appendFileSync(path, '{"kind":"sends","ke')
    expect(readJournal(path).map((one) => 'key' in one && one.key)).toEqual(['a', 'b'])
  })
})
