import { describe, expect, it } from 'vitest'
import { CommitWatch } from './postgres-wire.ts'

const message = (type: string, content: string | Buffer = '') => {
  const body = Buffer.from(content)
  const head = Buffer.alloc(5)
  head.write(type)
  head.writeUInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}
const request = (code: number) => {
  const bytes = Buffer.alloc(8)
  bytes.writeUInt32BE(8)
  bytes.writeUInt32BE(code, 4)
  return bytes
}
const STARTUP = 196_608
const query = (text: string) => message('Q', `${text}\0`)
const done = (tag: string) => message('C', `${tag}\0`)
const ready = (status: 'I' | 'T' | 'E') => message('Z', status)

/** A conversation, cut into pieces of `size` bytes; answers what the client got and whether the wire was cut. */
function listen(size: number, turns: ['client' | 'server', Buffer][]) {
  const watch = new CommitWatch()
  watch.armed = true
  const got: Buffer[] = []
  for (const [who, bytes] of turns) {
    for (let at = 0; at < bytes.length; at += size) {
      const piece = bytes.subarray(at, at + size)
      if (who === 'client') watch.fromClient(piece)
      else {
        const { pass, cut } = watch.fromServer(piece)
        got.push(...pass)
        if (cut) return { got: Buffer.concat(got).toString('latin1'), cut: watch.swallowed }
      }
    }
  }
  return { got: Buffer.concat(got).toString('latin1'), cut: undefined }
}

const connected: ['client' | 'server', Buffer][] = [
  ['client', request(STARTUP)],
  ['server', Buffer.concat([message('R', Buffer.alloc(4)), ready('I')])],
]
const text = (...messages: Buffer[]) => Buffer.concat(messages).toString('latin1')
const welcome = text(message('R', Buffer.alloc(4)), ready('I'))

describe.each([1, 3, 7, 4_096])('a conversation with PostgreSQL in pieces of %i bytes', (size) => {
  it('ends before the reply of COMMIT, with all that came before it', () => {
    const before = [done('BEGIN'), ready('T'), done('INSERT 0 1'), ready('T')]
    const heard = listen(size, [
      ...connected,
      ['client', Buffer.concat([query('begin'), query('insert into t values (1)'), query('commit')])],
      ['server', Buffer.concat([...before, done('COMMIT'), ready('I')])],
    ])
    expect(heard).toEqual({ got: welcome + text(...before), cut: 'commit' })
  })

  it('goes on when the transaction was rolled back instead', () => {
    const answer = [done('BEGIN'), ready('T'), message('E', 'Mbad\0\0'), ready('E'), done('ROLLBACK'), ready('I')]
    const heard = listen(size, [
      ...connected,
      ['client', Buffer.concat([query('begin'), query('insert into t values (1)'), query('commit')])],
      ['server', Buffer.concat(answer)],
    ])
    expect(heard).toEqual({ got: welcome + text(...answer), cut: undefined })
  })

  it('loses the whole reply of a single statement that writes, once it is committed', () => {
    const heard = listen(size, [
      ...connected,
      [
        'client',
        Buffer.concat([
          message('P', 'one\0with a as (insert into t values (1) returning n) select n from a\0\0\0'),
          message('B', '\0one\0\0\0'),
          message('E'),
          message('S'),
        ]),
      ],
      ['server', Buffer.concat([message('1'), message('2'), message('D', 'row'), done('SELECT 1'), ready('I')])],
    ])
    expect(heard).toEqual({ got: welcome, cut: 'single statement' })
  })

  it('keeps a single statement that failed, and one that reads', () => {
    const answer = [message('E', 'Mbad\0\0'), ready('I'), message('D', 'row'), done('SELECT 1'), ready('I')]
    const heard = listen(size, [
      ...connected,
      ['client', Buffer.concat([query('update t set n = n / 0'), query('select n from t')])],
      ['server', Buffer.concat(answer)],
    ])
    expect(heard).toEqual({ got: welcome + text(...answer), cut: undefined })
  })

  it('may begin with the question for encryption, which is answered with one bare byte', () => {
    const heard = listen(size, [['client', request(80_877_103)], ['server', Buffer.from('N')], ...connected])
    expect(heard).toEqual({ got: `N${welcome}`, cut: undefined })
  })
})
