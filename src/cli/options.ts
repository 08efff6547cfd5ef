import { type Command, InvalidArgumentError, Option } from 'commander'
import { type Config, ConfigError, readConfig } from '../platform/config.ts'
import { type Api, openApi } from './api.ts'
import { Failure } from './failure.ts'

export const DEFAULT_URL = 'http://127.0.0.1:8000'

export const urlOption = () => new Option('--url <url>', 'address of the gateway').env('COMANDA_URL').default(DEFAULT_URL)
export const jsonOption = () => new Option('--json', 'print JSON, for machines')

/** A parser for whole numbers from `least` up; usage error otherwise. */
export const wholeNumber = (least: number) => (text: string) => {
  const value = Number(text)
  if (!/^-?\d{1,15}$/.test(text) || value < least) throw new InvalidArgumentError(`It must be a whole number of ${least} or more.`)
  return value
}

const UNIT_MS: Record<string, number> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** A parser for times such as 500ms, 30s, 1.5m, 1h, 90d, into whole ms; usage error otherwise. */
export function durationMs(text: string): number {
  const [, digits = '', unit = ''] = /^(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h|d)$/.exec(text) ?? []
  const ms = Math.round(Number(digits) * (UNIT_MS[unit] ?? 0))
  if (ms < 1) throw new InvalidArgumentError('It must be a time such as 500ms, 30s, 5m, 1h or 90d.')
  return ms
}

/** A parser for numbers above 0 and up to 1; usage error otherwise. */
export function share(text: string): number {
  const value = Number(text)
  if (!/^\d?\.?\d{1,9}$/.test(text) || !(value > 0 && value <= 1))
    throw new InvalidArgumentError('It must be above 0 and at most 1, such as 0.5.')
  return value
}

/** Runs `action` with a client of the gateway that is closed afterwards. */
export async function withApi<T>(command: Command, action: (api: Api) => Promise<T>): Promise<T> {
  const api = openApi({ url: command.opts().url })
  try {
    return await action(api)
  } finally {
    api.close()
  }
}

/** This machine's settings. @throws {Failure} that names all that is wrong with them. */
export function settings(): Config {
  try {
    return readConfig(process.env)
  } catch (error) {
    if (error instanceof ConfigError) throw new Failure(`the settings are wrong: ${error.problems.join('; ')}`, 2)
    throw error
  }
}
