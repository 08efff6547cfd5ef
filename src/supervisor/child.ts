import { type ChildProcess, fork } from 'node:child_process'

/** A service process that is started again when it dies. */
export type Child = {
  name: string
  pid(): number | undefined
  /** It takes calls. Fails when it can't be started at all. */
  ready: Promise<void>
  /** Lets it finish what is in flight; after `ms` it is killed. */
  stop(ms: number): Promise<void>
  kill(): void
}

export type ChildOptions = {
  name: string
  /** Program and arguments of the service. It sends { ready: true } or { failed: reason }, and is sent { stop: true }. */
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
/** A service that was never ready and died this often will not get better by itself. */
const HOPELESS_AT = 3

export function startChild({ name, module, args, env, say }: ChildOptions): Child {
  let current: ChildProcess | undefined
  let stopping = false
  let wasReady = false
  let deaths = 0
  let timer: NodeJS.Timeout | undefined
  const first = Promise.withResolvers<void>()
  first.promise.catch(() => {}) // whoever waits for it is told; nobody waits when the start was stopped

  const start = () => {
    const startedAt = performance.now()
    let reason: string | undefined
    // A session of its own: the terminal's Ctrl-C is for the supervisor, which stops all in order.
    const child = fork(module, args, { env, execArgv: HEAP, detached: true, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    current = child
    child.on('message', (message: { ready?: boolean; failed?: string }) => {
      if (message.failed) reason = message.failed
      if (!message.ready) return
      if (deaths > 0) say(`${name} is back (process ${child.pid})`)
      wasReady = true
      first.resolve()
    })
    child.once('error', (error) => {
      reason = error.message
      // Not even started (out of memory, out of processes): there will be no exit.
      if (child.pid === undefined) died(reason)
    })
    child.once('exit', (code, signal) => died(reason ?? signal ?? `exit code ${code}`))

    const died = (why: string) => {
      if (stopping) return
      deaths = performance.now() - startedAt > HEALTHY_MS ? 1 : deaths + 1
      if (!wasReady && (reason !== undefined || deaths >= HOPELESS_AT)) return first.reject(new Error(`${name} did not start: ${why}`))
      const delayMs = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** (deaths - 1))
      say(`${name} died (${why}); starting it again in ${delayMs / 1000} s`)
      timer = setTimeout(start, delayMs)
    }
  }
  start()

  return {
    name,
    pid: () => current?.pid,
    ready: first.promise,
    async stop(ms) {
      stopping = true
      clearTimeout(timer)
      const child = current
      if (!isAlive(child)) return
      const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
      child.send({ stop: true }, () => {})
      const killer = setTimeout(() => {
        say(`${name} did not stop within ${ms / 1000} s: killing it; what it had in hand is taken up at the next start`)
        child.kill('SIGKILL')
      }, ms)
      await ended
      clearTimeout(killer)
    },
    kill() {
      stopping = true
      clearTimeout(timer)
      current?.kill('SIGKILL')
    },
  }
}

const isAlive = (child: ChildProcess | undefined): child is ChildProcess =>
  child?.pid !== undefined && child.exitCode === null && child.signalCode === null
