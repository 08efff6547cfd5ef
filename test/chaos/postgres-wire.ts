/**
 * Listens to one connection between a service and PostgreSQL (protocol 3.0), to catch the moment when a commit has been made and its reply is
 * about to arrive. Killing at random never hits it: of 83 commits in flight in eight kills of a whole server, none was in that state.
 */
export type Swallowed = 'commit' | 'single statement'

const HEADER = 5
/** In ReadyForQuery: outside any transaction. */
const IDLE = 'I'.charCodeAt(0)
const SSL_REQUEST = 80_877_103
const GSS_REQUEST = 80_877_104
const WRITES = /\b(insert|update|delete)\b/i

export class CommitWatch {
  /** Set: the next reply to a commit is swallowed. */
  armed = false
  swallowed: Swallowed | undefined
  readonly #client = new Frames({ begins: 'startup' })
  readonly #server = new Frames({ begins: 'frames' })
  /** SQL of the prepared statements, by name. */
  readonly #prepared = new Map<string, string>()
  /** What the client has asked and not yet got: each ends with a ReadyForQuery. */
  readonly #asked: { writes: boolean }[] = []
  #asking = { writes: false }
  #inTransaction = false
  /** The reply to a statement that commits by itself, kept back until PostgreSQL says that it is committed. */
  #kept: Buffer[] | undefined
  #isAtStart = true

  fromClient(chunk: Buffer): void {
    for (const { type, bytes } of this.#client.push(chunk)) this.#ask(type, bytes)
    if (this.#client.askedForEncryption) this.#server.expectOneByte()
    this.#client.askedForEncryption = false
  }

  #ask(type: string, bytes: Buffer): void {
    switch (type) {
      case 'P': {
        const [name = '', text = ''] = texts(bytes, HEADER)
        this.#prepared.set(name, text)
        return
      }
      case 'B': {
        const [, name = ''] = texts(bytes, HEADER)
        if (WRITES.test(this.#prepared.get(name) ?? '')) this.#asking.writes = true
        return
      }
      case 'Q':
        this.#asking.writes = WRITES.test(texts(bytes, HEADER)[0] ?? '')
        this.#endOfAsking()
        return
      case 'S':
        this.#endOfAsking()
    }
  }

  #endOfAsking(): void {
    this.#asked.push(this.#asking)
    this.#asking = { writes: false }
  }

  /** @returns what may go on to the client; `cut`: the connection ends there. */
  fromServer(chunk: Buffer): { pass: Buffer[]; cut: boolean } {
    const pass: Buffer[] = []
    for (const { type, bytes } of this.#server.push(chunk)) {
      if (this.armed && this.#isReplyToCommit(type, bytes)) return { pass, cut: true }
      if (this.#kept) {
        this.#kept.push(bytes)
        if (type === 'E' || type === 'Z') {
          pass.push(...this.#kept)
          this.#kept = undefined
        }
      } else pass.push(bytes)
      this.#isAtStart = type === 'Z'
      if (type === 'Z') {
        this.#inTransaction = bytes[HEADER] !== IDLE
        this.#asked.shift()
      }
    }
    return { pass, cut: false }
  }

  /** Also begins to keep back what may become one. */
  #isReplyToCommit(type: string, bytes: Buffer): boolean {
    if (type === 'C' && texts(bytes, HEADER)[0] === 'COMMIT') this.swallowed = 'commit'
    else if (this.#kept && type === 'Z' && bytes[HEADER] === IDLE) this.swallowed = 'single statement'
    else if (this.#isAtStart && !this.#inTransaction && this.#asked[0]?.writes) this.#kept = []
    return this.swallowed !== undefined
  }
}

/** NUL-terminated texts one after the other; just the first two are of use here. */
function texts(bytes: Buffer, from: number): string[] {
  const found: string[] = []
  for (let start = from; found.length < 2; ) {
    const end = bytes.indexOf(0, start)
    if (end < 0) break
    found.push(bytes.toString('utf8', start, end))
    start = end + 1
  }
  return found
}

type Frame = { type: string; bytes: Buffer }

/** Cuts a stream of bytes into messages: a letter, the length without the letter, the content. The client's first ones have no letter. */
class Frames {
  askedForEncryption = false
  #pieces: Buffer[] = []
  #size = 0
  /** Bytes of the next message, as far as is known. */
  #wanted = 1
  #rest: Buffer = Buffer.alloc(0)
  #state: 'startup' | 'frames' | 'one byte'

  constructor({ begins }: { begins: 'startup' | 'frames' }) {
    this.#state = begins
  }

  /** The answer to a request for encryption is a bare byte. */
  expectOneByte(): void {
    this.#state = 'one byte'
  }

  push(chunk: Buffer): Frame[] {
    this.#pieces.push(chunk)
    this.#size += chunk.length
    // Joined only when a message is whole: a large one comes in many pieces.
    if (this.#size < this.#wanted) return []
    this.#rest = Buffer.concat(this.#pieces)
    const frames: Frame[] = []
    for (let frame = this.#next(); frame; frame = this.#next()) frames.push(frame)
    this.#pieces = [this.#rest]
    this.#size = this.#rest.length
    return frames
  }

  #next(): Frame | undefined {
    const letter = this.#state === 'frames' ? 1 : 0
    this.#wanted = letter + 4
    if (this.#state === 'one byte') this.#wanted = 1
    else if (this.#rest.length >= letter + 4) this.#wanted = letter + this.#rest.readUInt32BE(letter)
    if (this.#rest.length < this.#wanted) return undefined
    const bytes = this.#rest.subarray(0, this.#wanted)
    this.#rest = this.#rest.subarray(this.#wanted)
    if (this.#state === 'startup' && [SSL_REQUEST, GSS_REQUEST].includes(bytes.readUInt32BE(4))) this.askedForEncryption = true
    else this.#state = 'frames'
    return { type: letter ? String.fromCharCode(bytes[0] ?? 0) : '', bytes }
  }
}
