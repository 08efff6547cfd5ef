import { createConnection, createServer, type Server, type Socket } from 'node:net'

/** One address for several servers, as a load balancer has it: each connection goes to the next that takes it. */
export type Front = { port: number; close(): Promise<void> }

export async function openFront(ports: readonly number[]): Promise<Front> {
  const open = new Set<Socket>()
  let turn = 0
  const server = createServer({ noDelay: true, pauseOnConnect: true }, (near) => {
    open.add(near)
    near.on('error', () => {})
    near.once('close', () => open.delete(near))
    const first = turn++
    const attempt = (tried: number) => {
      if (tried === ports.length) return near.resetAndDestroy()
      const far = createConnection({ port: ports[(first + tried) % ports.length] ?? 0, host: '127.0.0.1', noDelay: true })
      far.once('error', () => attempt(tried + 1))
      far.once('connect', () => {
        far.removeAllListeners('error')
        join(near, far)
      })
    }
    attempt(0)
  })
  const port = await listen(server)
  return {
    port,
    close() {
      for (const socket of open) socket.destroy()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
}

function join(near: Socket, far: Socket): void {
  near.pipe(far).pipe(near)
  near.once('close', () => far.destroy())
  far.once('close', () => near.destroy())
  far.on('error', () => near.resetAndDestroy())
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port))
  })
}
