import { type Command, InvalidArgumentError, Option } from 'commander'
import { type Api, openApi } from './api.ts'

export const DEFAULT_URL = 'http://127.0.0.1:8000'

export const urlOption = () => new Option('--url <url>', 'address of the gateway').env('COMANDA_URL').default(DEFAULT_URL)
export const jsonOption = () => new Option('--json', 'print JSON, for machines')

/** A parser for whole numbers from `least` up; usage error otherwise. */
export const wholeNumber = (least: number) => (text: string) => {
  const value = Number(text)
  if (!/^-?\d{1,15}$/.test(text) || value < least) throw new InvalidArgumentError(`It must be a whole number of ${least} or more.`)
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
