import { createConnection, createServer, type Server, type Socket } from 'node:net'
import { CommitWatch, type Swallowed } from './postgres-wire.ts'

/** A wire between two processes that can be made to misbehave: each service reaches PostgreSQL, and is reached, over one of its own. */
export type Link = {
  name: string
  /** Where it is reached. */
  port: number
  /** The far end, which may move. */
  leadsTo(port: number): void
  /** Swallows the reply of the next commit and cuts that connection. Only on a link to PostgreSQL. */
  swallowCommit(): void
  /** Everything takes `ms` longer. */
  delay(ms: number): void
  /** All connections break, as when the other machine restarts. */
  reset(): void
  /** Bytes vanish, and nobody is told: all of them, or only the answers. */
  hang(which: 'both ways' | 'answers'): void
  /** As new. What hung is broken, so that its ends learn of it. */
  heal(): void
  close(): Promise<void>
}

type Options = { name: string; to: number; listensToPostgres?: boolean; onSwallow?: (what: Swallowed) => void }
type Connection = { near: Socket; far: Socket; watch: CommitWatch | undefined; lost: boolean }
type State = { to: number; delayMs: number; hangs: 'both ways' | 'answers' | undefined; swallow: boolean }

export async function openLink({ name, to, listensToPostgres = false, onSwallow = () => {} }: Options): Promise<Link> {
  const connections = new Set<Connection>()
  const state: State = { to, delayMs: 0, hangs: undefined, swallow: false }
  const server = createServer({ noDelay: true }, (near) => {
    const far = createConnection({ port: state.to, host: '127.0.0.1', noDelay: true })
    const connection: Connection = { near, far, watch: listensToPostgres ? new CommitWatch() : undefined, lost: false }
    connections.add(connection)
    carry(connection, state, onSwallow)
    near.once('close', () => connections.delete(connection))
  })
  const port = await listen(server)
  const breakAll = (which: (connection: Connection) => boolean) => {
    for (const connection of [...connections].filter(which)) cut(connection)
  }
  return {
    name,
    port,
    leadsTo(next) {
      state.to = next
    },
    swallowCommit() {
      state.swallow = true
    },
    delay(ms) {
      state.delayMs = ms
    },
    reset: () => breakAll(() => true),
    hang(which) {
      state.hangs = which
    },
    heal() {
      Object.assign(state, { delayMs: 0, hangs: undefined, swallow: false })
      breakAll((connection) => connection.lost)
    },
    close() {
      breakAll(() => true)
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
}

function carry(connection: Connection, state: State, onSwallow: (what: Swallowed) => void): void {
  const { near, far, watch } = connection
  const toFar = sender(far, state)
  const toNear = sender(near, state)
  near.on('data', (chunk) => {
    watch?.fromClient(chunk)
    if (state.hangs === 'both ways') connection.lost = true
    else toFar(chunk)
  })
  far.on('data', (chunk) => {
    if (state.hangs) {
      connection.lost = true
      return
    }
    if (!watch) return toNear(chunk)
    watch.armed = state.swallow
    const { pass, cut: isSwallowed } = watch.fromServer(chunk)
    for (const bytes of pass) toNear(bytes)
    if (!isSwallowed) return
    state.swallow = false
    onSwallow(watch.swallowed as Swallowed)
    cut(connection)
  })
  for (const [end, other] of [
    [near, far],
    [far, near],
  ] as const) {
    end.on('error', () => other.resetAndDestroy())
    end.on('end', () => {
      // A vanished goodbye is not heard either.
      if (state.hangs) connection.lost = true
      else other.end()
    })
    end.on('close', () => {
      if (!state.hangs) other.destroy()
    })
  }
}

/** Sends in order, each at its time. */
function sender(socket: Socket, state: State): (chunk: Buffer) => void {
  let lastDue = 0
  return (chunk) => {
    const now = performance.now()
    lastDue = Math.max(lastDue, now + state.delayMs)
    if (lastDue <= now) socket.write(chunk)
    else setTimeout(() => socket.writable && socket.write(chunk), lastDue - now)
  }
}

function cut({ near, far }: Connection): void {
  near.resetAndDestroy()
  far.resetAndDestroy()
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port))
  })
}
