import { fork } from 'node:child_process'
import type { QueueName } from '../../src/broker/broker.ts'
import { openBroker } from '../../src/broker/open.ts'
import { openPostgresBroker } from '../../src/broker/postgres.ts'
import { readConfig } from '../../src/platform/config.ts'
import { silentLog } from '../../src/platform/log.ts'

/** A process that takes messages and never answers: the one that is killed. */
export type ConsumerProcess = { got(): string[]; kill(): void }

export async function consumerProcess(queue: QueueName, settings: NodeJS.ProcessEnv): Promise<ConsumerProcess> {
  const got: string[] = []
  const child = fork(new URL(import.meta.url).pathname, [queue], {
    env: { ...process.env, ...settings },
    execArgv: [],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  child.on('message', (id: string) => got.push(id))
  return { got: () => got, kill: () => void child.kill('SIGKILL') }
}

if (import.meta.main) {
  const { MAX_ATTEMPTS = '3', ...env } = process.env
  const config = readConfig(env)
  const broker =
    config.brokerUrl === 'postgres'
      ? openPostgresBroker({ databaseUrl: config.databaseUrls.broker, log: silentLog(), leaseMs: config.leaseMs })
      : openBroker(config, silentLog())
  await broker.consume(
    process.argv[2] as QueueName,
    (deliveries) => {
      for (const { id } of deliveries) process.send?.(id)
      return new Promise(() => {})
    },
    { maxInFlight: 10, maxAttempts: Number(MAX_ATTEMPTS) },
  )
  process.on('disconnect', () => process.exit())
}
