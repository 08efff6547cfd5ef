import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, openSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { ServiceName } from '../../src/platform/config.ts'
import type { Chance } from './chance.ts'

/** One instance of a service as a process, which a keeper starts again whenever it dies. */
export type Instance = {
  /** Such as payment-2. */
  name: string
  service: ServiceName
  isAlive(): boolean
  /** It takes calls, and is not paused. */
  isWell(): boolean
  /** SIGKILL. @returns false when there was nothing to kill. */
  kill(): boolean
  /** SIGSTOP. */
  pause(): boolean
  /** SIGCONT. */
  goOn(): void
  /** It takes calls. */
  ready(): Promise<void>
  stop(): Promise<void>
  /** SIGTERM, and a new start, from other sources if given, when it has ended by itself. @returns how it ended, once the new one takes calls. */
  restart(sources?: string): Promise<string>
  /** Ends that nobody caused from outside after it had been ready, in words. */
  ownDeaths: string[]
  /** How long each start took until it was ready. */
  startsMs: number[]
}

/** This version's own; another version has its sources elsewhere. */
export const OWN_SOURCES = dirname(new URL('../../package.json', import.meta.url).pathname)
/** As the supervisor does. */
const HEAP = ['--max-old-space-size=192', '--max-semi-space-size=6']
const STOP_MS = 25_000

type Options = { name: string; service: ServiceName; env: NodeJS.ProcessEnv; logs: string; chance: Chance; sources?: string }

export function keep({ name, service, env, logs, chance, sources = OWN_SOURCES }: Options): Instance {
  mkdirSync(join(logs, name), { recursive: true })
  const output = openSync(join(logs, name, 'output.txt'), 'a')
  let child: ChildProcess | undefined
  let from = sources
  let stopping = false
  let killed = false
  let timer: NodeJS.Timeout | undefined
  let waiting: (() => void)[] = []
  let isReady = false
  let isPaused = false
  let planned: ((how: string) => void) | undefined

  const instance: Instance = {
    name,
    service,
    ownDeaths: [],
    startsMs: [],
    isAlive: () => isRunning(child),
    isWell: () => isRunning(child) && isReady && !isPaused,
    kill() {
      killed = isRunning(child)
      return killed && (child?.kill('SIGKILL') ?? false)
    },
    pause() {
      isPaused = isRunning(child) && child.kill('SIGSTOP')
      return isPaused
    },
    goOn() {
      isPaused = false
      if (isRunning(child)) child.kill('SIGCONT')
    },
    ready: () => new Promise((resolve) => (isReady ? resolve() : waiting.push(resolve))),
    async stop() {
      stopping = true
      clearTimeout(timer)
      if (!isRunning(child)) return
      const running = child
      const ended = new Promise((resolve) => running.once('exit', resolve))
      running.kill('SIGCONT')
      running.kill('SIGTERM')
      const killer = setTimeout(() => running.kill('SIGKILL'), STOP_MS)
      await ended
      clearTimeout(killer)
    },
    async restart(next = from) {
      from = next
      const how = new Promise<string>((resolve) => {
        planned = resolve
      })
      child?.kill('SIGTERM')
      const ended = await how
      await instance.ready()
      return ended
    },
  }

  const start = () => {
    const startedAt = performance.now()
    isReady = false
    isPaused = false
    let failed: string | undefined
    // The channel is its line to us: when we die, it ends by itself.
    child = spawn(process.execPath, [...HEAP, join(from, 'src', 'main.ts'), 'serve', service], {
      env,
      detached: true,
      stdio: ['ignore', output, output, 'ipc'],
    })
    child.on('message', (message: { ready?: boolean; failed?: string }) => {
      failed = message.failed
      if (!message.ready) return
      isReady = true
      instance.startsMs.push(performance.now() - startedAt)
      for (const tell of waiting) tell()
      waiting = []
    })
    child.once('exit', (code, signal) => {
      if (stopping) return
      if (planned) {
        planned(signal ?? `exit code ${code}`)
        planned = undefined
        start()
        return
      }
      // A start may fail while its database is down; what runs must outlive anything but a signal.
      if (!killed && isReady) instance.ownDeaths.push(`${failed ?? signal ?? `exit code ${code}`} at ${new Date().toISOString()}`)
      killed = false
      isReady = false
      timer = setTimeout(start, chance.between(200, 3_000))
    })
  }
  start()
  return instance
}

const isRunning = (child: ChildProcess | undefined): child is ChildProcess =>
  child?.pid !== undefined && child.exitCode === null && child.signalCode === null
