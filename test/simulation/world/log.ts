import type { Log } from '../../../src/platform/log.ts'
import type { SimulatedProcess } from './process.ts'

/** Lines by message: what the product itself found wrong. */
export type Alarms = Map<string, number>

/** A log whose lines go to the trace; errors are counted. */
export function simulatedLog(process: SimulatedProcess, alarms: Alarms): Log {
  const { world } = process
  const write = (level: string) => (fields: unknown, message?: string) => {
    const text = typeof fields === 'string' ? fields : (message ?? '')
    if (level === 'error' || level === 'fatal') alarms.set(text, (alarms.get(text) ?? 0) + 1)
    if (level === 'debug' || !world.onTrace) return
    world.onTrace(
      `${(world.now / 1_000).toFixed(4).padStart(10)} log       ${process.name} ${level}: ${text} ${typeof fields === 'object' ? JSON.stringify(plain(fields)) : ''}`,
    )
  }
  const log: Record<string, unknown> = { level: 'info', child: () => log, isLevelEnabled: () => false }
  for (const level of ['trace', 'debug', 'info', 'warn', 'error', 'fatal']) log[level] = level === 'trace' ? () => {} : write(level)
  return log as unknown as Log
}

function plain(fields: unknown): unknown {
  if (typeof fields !== 'object' || fields === null) return fields
  return Object.fromEntries(Object.entries(fields).map(([key, value]) => [key, value instanceof Error ? value.stack : value]))
}
