import { connect, type Socket } from 'node:net'

/**
 * Requests at a fixed rate, whatever the answers take: each is sent when it is due, on a connection that is free or a new one, and its latency counts
 * from when it was due. A client of our own on bare sockets: at thousands of requests a second a full HTTP client would take the core that the system
 * needs. It reads the status and skips the body by its content-length.
 */
export type OpenLoop = { url: string; seconds: number; rate: number; body: () => string }
export type OpenLoopResult = { byStatus: Map<number, number[]>; unanswered: number; seconds: number; connections: number }

const TICK_MS = 2
/** After the last was sent. */
const LAST_ANSWER_MS = 15_000

type Connection = { socket: Socket; dueAt: number; head: string; rest: number; status: number }

/** @returns latencies in ms by status. */
export async function openLoop({ url, seconds, rate, body }: OpenLoop): Promise<OpenLoopResult> {
  const { hostname, port } = new URL(url)
  const byStatus = new Map<number, number[]>()
  const free: Connection[] = []
  const all: Connection[] = []
  let open = 0
  let unanswered = 0

  const answered = (connection: Connection) => {
    const list = byStatus.get(connection.status) ?? []
    list.push(performance.now() - connection.dueAt)
    byStatus.set(connection.status, list)
    open--
    free.push(connection)
  }
  const fail = (connection: Connection) => {
    if (connection.dueAt === 0) return
    connection.dueAt = 0
    open--
    unanswered++
  }
  const start = (): Connection => {
    const connection: Connection = { socket: connect(Number(port), hostname), dueAt: 0, head: '', rest: 0, status: 0 }
    connection.socket.setNoDelay(true)
    connection.socket.on('data', (chunk) => {
      if (read(connection, chunk)) answered(connection)
    })
    connection.socket.on('error', () => {}).on('close', () => fail(connection))
    all.push(connection)
    return connection
  }
  const send = (dueAt: number) => {
    let connection = free.pop()
    while (connection?.socket.destroyed) connection = free.pop()
    connection ??= start()
    Object.assign(connection, { dueAt, head: '', rest: 0, status: 0 })
    open++
    const text = body()
    connection.socket.write(
      `POST /orders HTTP/1.1\r\nhost: ${hostname}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`,
    )
  }

  const began = performance.now()
  let sent = 0
  while (performance.now() - began < seconds * 1_000) {
    const due = Math.floor(((performance.now() - began) * rate) / 1_000)
    for (; sent < due; sent++) send(began + (sent * 1_000) / rate)
    await new Promise((resolve) => setTimeout(resolve, TICK_MS))
  }
  const took = (performance.now() - began) / 1_000
  const deadline = performance.now() + LAST_ANSWER_MS
  while (open > 0 && performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 10))
  const late = open
  for (const { socket } of all) socket.destroy()
  return { byStatus, unanswered: unanswered + late, seconds: took, connections: all.length }
}

/** @returns whether the answer is complete. */
function read(connection: Connection, chunk: Buffer): boolean {
  if (connection.status !== 0) {
    connection.rest -= chunk.length
    return connection.rest === 0
  }
  connection.head += chunk.toString('latin1')
  const end = connection.head.indexOf('\r\n\r\n')
  if (end < 0) return false
  connection.status = Number(connection.head.slice(9, 12))
  const length = Number(/\r\ncontent-length: (\d+)/i.exec(connection.head)?.[1] ?? 0)
  connection.rest = length - (connection.head.length - end - 4)
  return connection.rest === 0
}

export function percentile(values: readonly number[], share: number): number {
  return Math.round(values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))] ?? 0)
}
