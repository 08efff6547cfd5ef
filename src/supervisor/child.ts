import { type ChildProcess, fork } from 'node:child_process'

/** A service process that is started again when it dies. */
export type Child = { name: string; pid(): number | undefined; ready: Promise<void>; stop(ms: number): Promise<void> }

export type ChildOptions = {
  name: string
  /** Program and arguments of the service. */
  module: string
  args: string[]
  env: NodeJS.ProcessEnv
  /** Tells a person what happened. */
  say(line: string): void
}

/** V8 lets a heap grow with the machine's memory; a service needs little, and should stay small: collect sooner. */
const HEAP = ['--max-old-space-size=192', '--max-semi-space-size=6']
const FIRST_DELAY_MS = 200
const LONGEST_DELAY_MS = 10_000
/** Alive this long, a process is taken for healthy, and the next death is its first. */
const HEALTHY_MS = 30_000

export function startChild({ name, module, args, env, say }: ChildOptions): Child {
  let process_: ChildProcess | undefined
  let stopping = false
  let deaths = 0
  let timer: NodeJS.Timeout | undefined
  const first = Promise.withResolvers<void>()

  const start = () => {
    const startedAt = performance.now()
    // A process group of its own: the terminal's Ctrl-C is for the supervisor, which stops all in order.
    const child = fork(module, args, { env, execArgv: HEAP, detached: true, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    process_ = child
    child.on('message', (message: { ready?: boolean; failed?: string }) => {
      if (message.ready) {
        if (deaths > 0) say(`${name} is back (process ${child.pid})`)
        first.resolve()
      }
      if (message.failed) first.reject(new Error(`${name} did not start: ${message.failed}`))
    })
    child.once('error', (error) => first.reject(error))
    child.once('exit', (code, signal) => {
      if (stopping) return
      if (performance.now() - startedAt > HEALTHY_MS) deaths = 0
      const delayMs = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** deaths++)
      say(`${name} died (${signal ?? `exit code ${code}`}); starting it again in ${delayMs / 1000} s`)
      timer = setTimeout(start, delayMs)
    })
  }
  start()

  return {
    name,
    pid: () => process_?.pid,
    ready: first.promise,
    async stop(ms) {
      stopping = true
      clearTimeout(timer)
      const child = process_
      if (!child || child.exitCode !== null || child.signalCode !== null) return
      const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
      child.send({ stop: true }, () => {})
      const killer = setTimeout(() => {
        say(`${name} did not stop within ${ms / 1000} s; killing it`)
        child.kill('SIGKILL')
      }, ms)
      await ended
      clearTimeout(killer)
    },
  }
}
